"""Rows on which careful readers differ: run for exceptions and time only. Category -> list of (answer, gold)."""

from __future__ import annotations

from tests.rewards.math.labelled import table

OPEN_RIGHT = table(r"""
# a percent of a bare number
28 :: 28% ;; 28\% ;; 28 percent
28\% :: 28 ;; 0.28
0.28 :: 28\%
28 :: 2800\%

# base left out, or the value in base ten
52_8 :: 52 ;; 52 (base 8) ;; 52_{\text{eight}} ;; 52_\text{eight}
4210_5 :: 4210

# order and brackets
1,-2 :: -2, 1 ;; \{1,-2\}
\{1,2\} :: 1,2 ;; 1, 2 ;; x=1,2
(15,-29) :: [15,-29] ;; x=15, y=-29 ;; ((15,-29)) ;; 15, -29
\pm 4 :: -4, 4 ;; x = \pm 4

# sentences
18 :: The answer is 18 ;; Answer: 18 ;; 18 is the answer. ;; so 18 ;; the total is 18 dollars ;; 3 \cdot 6 = 18
18 :: = 18 ;; 9 + 9 ;; 18 (eighteen) ;; eighteen ;; Therefore, 18.
18 :: ~18 ;; 18!? ;; `18` ;; "18" ;; '18' ;; *18* ;; __18__ ;; # 18

# words and units
7 :: 7 fewer ;; 7 short ;; 7 off ;; 7 in debt ;; 7 down ;; 7 west ;; 7 couples ;; 7 roots ;; 7 celsius ;; 7 pct
7 :: floor 7
11 :: 11 more apples ;; 11 a.m. ;; 11th ;; \#11 ;; 11 days later
\frac{7}{8} :: 7/8 of a pizza
3,140,000 :: 3.14 million
5 :: x \approx 5 ;; ≈5 ;; \approx 5
18 \text{ cents} :: \$0.18 ;; 18¢
C :: c ;; $c$ ;; C) ;; C. 45 ;; option C ;; Choice (C) ;; (C) 45
\text{Tuesday} :: Tues ;; on Tuesday
5\text{ km} :: 5000 m
3 \text{ hours} :: 180 minutes
18 :: 18 units ;; 18 cows and no sheep ;; Rs. 18 ;; £18 ;; €18
3:5 :: 3/5 ;; \frac{3}{5} ;; 3 to 5 ;; 0.6
11:15 \text{ p.m.} :: 23:15 ;; 11:15

# writing
\sqrt{53} :: \sqrt{53} \approx 7.28 ;; \sqrt{53} (about 7.28)
\frac{1}{3} :: \frac{1}{3} \approx 0.333 ;; 0.333... ;; 0.\dot{3}
10 :: 10\% ;; 12 - 2
\sqrt{53} :: \sqrt53
12 :: 12,0
3R^2 :: 3R2 ;; 3R**2
6r^2-4r-24 :: 6r2-4r-24 ;; 6*r**2-4*r-24
x^3+3x-6 :: y = x^3+3x-6 ;; p(t) = x^3+3x-6
(5,\infty) :: ]5,\infty[ ;; (5,\infty] ;; \{x : x > 5\} ;; \{x \mid x > 5\}
\emptyset :: none ;; no solution ;; \text{No solution}
y = 2x+3 :: y - 2x - 3 = 0 ;; 2x - y = -3 ;; y = 3x + 3 - x
[1,2] :: {[1,2]}
1000 :: 1.000,00 ;; 1 000 ;; 1'000 ;; 1e3 ;; 10**3
""")
