"""Nouns that are numbers: twelve triplets are not twelve.

From Princeton's WordNet 3.0: the nouns under *integer* and under *fraction*, sets of so many, reams and quires; without
those that seldom mean a number ("yard", "fellow", "digit", ...).
"""

from __future__ import annotations

import re

NUMBER_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        ace billion billionth brace century chiliad cinque cipher couple couplet crore cypher decade decimal
        deuce distich doubleton dozen duad duet duo duodecimal dyad eight eighteen eighter eighth eighty eleven
        ennead fifteen fifth fifty fin five fivesome forty four fourscore foursome fourteen fourth fraction
        gazillion grand gross half heptad hexad hundred hundredth jillion lakh leash mantissa mediety meg
        millenary milliard million millionth modulus moiety monad monas myriad nine niner nineteen ninety ninth
        nought octad octet octette octillion octonary ogdoad one pair pentad quadrillion quadrillionth
        quadrumvirate quadruple quadruplet quarter quartern quartet quartette quatern quaternary quaternion
        quaternity quint quintet quintette quintillion quintillionth quintuple quintuplet quire ream score
        septenary septet septette septillion sestet seven sevener seventeen seventh seventy sextet sextette
        sextillion sextuplet single singleton sise six sixer sixteen sixteenth sixth sixtieth sixty span teens
        ten tenner tenth tercet ternary ternion terzetto tetrad third thirteen thirty thou thousand thousandth
        three threesome tierce trey triad trillion trillionth trine trinity trio triple triplet triumvirate
        troika twain twelfth twelve twenty two twosome unity yoke zero zillion
        """,
    )
)
