"""Right answers of a blind set in the writings of published contest data: category -> list of (answer, gold)."""

from __future__ import annotations

from tests.rewards.math.labelled import table

RIGHT_FIFTH = table(r"""
# subscripts that are letters or words
\frac{r_a r_b}{r_c} :: \frac{r_b r_{a}}{r_{c}} ;; r_ar_b/r_c
x_{\text{max}} :: x_{max} ;; x_{\max} ;; x_{\mathrm{max}}
5 :: S_{\triangle ABC} = 5 ;; V_{\text{cone}} = 5 ;; x_{\min} = 5 ;; f_{\max} = 5 ;; a_n = 5
a_{n} = 3n :: a_n = 3n ;; 3n ;; a_{n}=3 n
S_n = n^2 :: S_{n} = n^{2} ;; S_n=n\cdot n
a_{n+1} = a_n + 2 :: a_n+2 = a_{n+1} ;; a_{n+1}-a_n=2
a_i b_j :: b_ja_i
C_n^2 :: \binom{n}{2} ;; \frac{n(n-1)}{2} ;; C_{n}^{2}
x_1 = 2, x_2 = 3 :: x_{1} = 2, x_{2} = 3 ;; x=2 \text{ or } x=3

# names of values
7 :: f(-1) = 7 ;; f(\frac12) = 7 ;; f(-\sqrt{2}) = 7
\{-1, 0, 1\} :: A\cap B = \{-1,0,1\} ;; A \cup B = \{0, 1, -1\}
[2, 3) :: A \cap B = [2, 3) ;; M\cap N=[2,3)

# nothing at all
\varnothing :: \text{the empty set} ;; \text{empty set} ;; \text{The empty set } \emptyset ;; A \cap B = \varnothing

# degrees and radians
45^\circ :: \frac{\pi}{4} \text{ radians} ;; \frac{\pi}{4}\text{ rad}
""")
