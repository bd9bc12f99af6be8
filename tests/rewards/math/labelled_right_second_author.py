"""Rows of a second author: answers that are right. Some were written blind, the others against the code."""

from __future__ import annotations

from tests.rewards.math.labelled import table

RIGHT_SECOND_AUTHOR = table(r"""
# of a second author
18 :: x = 18 ;; The answer is 18. ;; \text{18} ;; **18** dollars ;; **Answer:** 18 ;; The answer is **18**.
18 :: 18 dollars per day ;; $18 per day ;; 18$ ;; US$18 ;; 18 US dollars ;; 18 eggs ;; 18 (dollars)
18 :: Final Answer: 18 ;; The final answer is $\boxed{18}$. ;; = 18 ;; Total = 18 ;; total = $18$
18 :: Answer: $18 ;; `18` ;; 18 years old ;; 18 ducks left ;; \$ 18 ;; $ 18 ;; \textbf{18} ;; 18 / 1
18 :: 18.0 dollars ;; 18 apples ;; 18 square units ;; 18 miles per hour ;; 18\ \text{eggs} ;; x = 18 dollars
18 :: x = $18 ;; A = 18 cm^2 ;; 18 \, \text{dollars} ;; \boxed{18 \text{ dollars}} ;; \text{18 dollars}
18 :: The answer is 18 dollars ;; The answer is $18. ;; **18 dollars** ;; $18 dollars ;; (18) ;; 18 cm
18 :: \( 18 \) ;; \[ \boxed{18} \] ;; 18 hours.
2,125 :: $2,125
43,500 :: $43{,}500$
2125 :: 2,125.00
-128 :: -128 ;; $-128$ ;; −128
76^\circ :: 76 ;; 76° ;; 76^{\circ} ;; 76 degrees ;; $76^\circ$
\frac43 :: \dfrac{4}{3} ;; $y = \frac{4}{3}$ ;; 8/6 ;; 1\frac{1}{3}
1\frac{4}{5} :: \frac{9}{5}
\frac{639}{40} :: 15.975 ;; 639/40
3\sqrt{13} :: 3 \cdot \sqrt{13}
\frac{\sqrt{3}}{3} :: sqrt(3)/3 ;; √3/3
18+2\pi :: 2\pi + 18 ;; 18 + 2π
6 - 5i :: 6 - 5i ;; -5i + 6 ;; 6 + (-5)i ;; 6 + -5i ;; 6 − 5i ;; 6-5*i
2516_8 :: 2516_8 ;; 2516_{8} ;; 2516_{\text{8}}
(15,-29) :: (x,y)=(15,-29) ;; (15.0, -29.0)
\begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix} :: \begin{pmatrix} \frac{1}{5} \\ -\frac{18}{5} \end{pmatrix}
\begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix} :: \begin{bmatrix} 0.2 \\ -3.6 \end{bmatrix}
(2,12) \cup (12,102) :: (12,102)\cup(2,12) ;; \left(2, 12\right) \cup \left(12, 102\right)
(3,4] :: 3<\lambda\le 4 ;; 3 < x <= 4 ;; x \in (3, 4]
[\sqrt{2},\infty) :: m \ge \sqrt{2} ;; [\sqrt2, +\infty) ;; [√2, ∞)
3 \pm 2 \sqrt{2} :: 3+2\sqrt{2}, 3-2\sqrt{2} ;; 3 - 2\sqrt{2}, 3 + 2\sqrt{2} ;; 3 ± 2√2 ;; x = 3 \pm 2\sqrt{2}
1,-2 :: -2, 1 ;; x = 1 or x = -2 ;; x=1, x=-2 ;; x_1 = 1, x_2 = -2 ;; x=1,-2 ;; x = -2, 1
1,-2 :: x=1 \text{ or } x=-2 ;; $x=1$ or $x=-2$ ;; $1$ and $-2$ ;; 1 or -2 ;; \boxed{1, -2} ;; x=1; x=-2
\{1,2,3\} :: \{3, 2, 1\} ;; {1, 2, 3}
\text{Evelyn} :: Evelyn ;; evelyn ;; \text{Evelyn} ;; **Evelyn** ;; Evelyn.
\text{(C)} :: C ;; (C) ;; \text{C} ;; \boxed{C} ;; Option C ;; C) ;; \textbf{(C)} ;; **(C)** ;; $\text{C}$
\text{(C)} :: \boxed{\text{(C)}} ;; choice C
x^3+3x-6 :: -6 + 3x + x^3 ;; x³ + 3x − 6
y = 2x + 3 :: $y = 3 + 2x$
5.4 \text{ cents} :: 5.4¢ ;; 5.4 \text{ cents} ;; $0.054
15\mbox{ cm}^2 :: 15 cm^2 ;; 15 ;; 15 square centimeters ;; 15\text{ cm}^2
10\% :: 10% ;; 10\% ;; 10 percent ;; 10 % ;; $10\%$
-1 :: -1.0
10^{10} :: 10000000000 ;; 1\times 10^{10}
-30^\circ :: -30 ;; -30° ;; -30 degrees
-30 :: -30^\circ ;; -30°
\sin^{-1} x :: \arcsin x ;; \arcsin(x)
\sqrt[3]{x} :: x^{1/3} ;; \sqrt[3]{x}
\sqrt{xy} :: \sqrt{x y}
(3,4) :: x \in (3,4) ;; $(3, 4)$ ;; (3, 4)
(-\infty,-2)\cup(3,\infty) :: x<-2 or x>3 ;; x < -2 \text{ or } x > 3 ;; (-∞, -2) ∪ (3, ∞)
(-\infty,-2)\cup(3,\infty) :: (-\infty, -2) U (3, \infty)
(-\infty,\infty) :: (-∞,∞) ;; all real numbers
70 :: 70 mph ;; 70 miles/hour ;; 70 \text{ mph}
1500000 :: 1.5 million ;; 1,500,000 ;; 1.5 \times 10^6 ;; $1,500,000 ;; 1500000 people
\text{A, C, F} :: A, C, F ;; A,C,F ;; A, C, and F ;; C, A, F
ab :: a*b ;; a b ;; a \cdot b ;; $ab$
p - q :: p − q
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: \begin{bmatrix}-2\\-14\\-7\end{bmatrix}
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: \begin{pmatrix} -2 \\[2pt] -14 \\[2pt] -7 \end{pmatrix}
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: -\begin{pmatrix} 2 \\ 14 \\ 7 \end{pmatrix}
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: \left(\begin{array}{c} -2 \\ -14 \\ -7 \end{array}\right)
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: \left[\begin{matrix} -2 \\ -14 \\ -7 \end{matrix}\right]
(6,31,-1) :: (p,q,r) = (6,31,-1)
4343_6 :: 4343_{6} ;; $4343_6$ ;; 4343₆ ;; (4343)_6 ;; 4343_{(6)}
864 \mbox{ inches}^2 :: 864 ;; 864 in^2 ;; 864 square inches ;; 864 sq in ;; 864 in² ;; 864 \text{ in}^2
864 \mbox{ inches}^2 :: 864\text{ square inches} ;; 864 \, \text{in}^2 ;; 864 sq. in.
\frac{270}7\text{ degrees} :: \frac{270}{7} ;; \frac{270}{7}^\circ ;; 270/7 ;; 270/7 degrees ;; 38\frac{4}{7}
\$18.90 :: 18.90 ;; $18.90 ;; 18.9 ;; \$18.90 ;; 18.90 dollars ;; 1890 cents ;; 18.9 dollars
11,\! 111,\! 111,\! 100 :: 11111111100 ;; 11,111,111,100
\{1\pm\sqrt{5},-2\} :: \{1+\sqrt{5}, 1-\sqrt{5}, -2\} ;; \{-2,1-\sqrt5,1+\sqrt5\}
x \in [-2,7] :: [-2,7] ;; -2 \le x \le 7 ;; x∈[-2,7] ;; [-2, 7]
x=5 :: 5.0
\sqrt{53} :: sqrt(53) ;; sqrt 53 ;; 53^0.5 ;; (53)^(1/2)
\frac{3\sqrt{3}}{4} :: 3√3/4 ;; (3√3)/4 ;; \frac{3}{4}\sqrt{3} ;; 0.75\sqrt{3} ;; 3sqrt(3)/4 ;; \frac34 \sqrt3
\frac{3\sqrt{3}}{4} :: \dfrac{3 \sqrt{3}}{4} ;; \frac{3 \cdot \sqrt{3}}{4}
\cot x :: \frac{1}{\tan x} ;; cot(x) ;; cot x
\sin x :: sin x ;; sin(x) ;; \sin(x)
\ln 2 :: ln 2 ;; ln(2) ;; \log_e 2
\log_2 3 :: log_2(3)
e^{2x} :: exp(2x) ;; (e^x)^2 ;; e^(2x)
6.02 \times 10^{23} :: 6.02*10^23 ;; 6.02 × 10²³
2:3 :: 2 : 3 ;; 2:3.
5:30 \text{ p.m.} :: 5:30 PM ;; 5:30 pm ;; 5:30 p.m. ;; 5:30pm
\text{5:30} :: 5:30
0.\overline{3} :: 1/3 ;; 0.\overline{3} ;; \frac{1}{3}
\text{no solution} :: no solution ;; No solution.
\infty :: ∞ ;; infinity ;; \infty ;; +\infty
y = -\frac{1}{2}x + 3 :: y = -0.5x + 3 ;; x + 2y = 6 ;; 2y = -x + 6 ;; y=3-\frac{x}{2} ;; y = 3 - x/2
y = -\frac{1}{2}x + 3 :: y=-1/2x+3 ;; y = -x/2 + 3
x^2 + y^2 = 25 :: x^2+y^2-25=0 ;; x² + y² = 25
(x-2)(x+3) :: (x+3)(x-2) ;; x^2+x-6 ;; (x - 2)(x + 3)
4x^3-12x :: 4x(x^2-3) ;; 4x^3 - 12x ;; 4x³−12x ;; -12x + 4x^3
[0,1] :: 0 \le x \le 1 ;; [0, 1] ;; 0≤x≤1 ;; x \in [0,1]
\text{Yes} :: Yes.
25 :: 25°C ;; 25^\circ C ;; 25^\circ\text{C}
16 \sqrt{3} :: 16√3 ;; 16\sqrt{3} units ;; 16√3 cm ;; 16\sqrt{3} \text{ units} ;; 16 sqrt(3) ;; 16*√3
16 \sqrt{3} :: s = 16\sqrt{3} ;; 16\sqrt3 ;; AB = 16\sqrt{3}
7\pi :: 7*pi ;; 7pi ;; 7\pi \text{ square units} ;; 7\pi cm^2 ;; 7π square units
8 \pi :: 8π ;; 8 pi
3R^2 :: 3 \cdot R^2 ;; 3R²
5r^5 :: 5r^5 ;; 5 r^5
\frac{1}{2} :: 1/2 ;; 0.5 ;; ½ ;; .5 ;; \frac12 ;; 0.50 ;; 1 / 2 ;; P = \frac{1}{2} ;; $\frac{1}{2}$
\frac{1}{2} :: -(-1/2) ;; 2^{-1}
1 \pm \sqrt{19} :: 1+\sqrt{19}, 1-\sqrt{19} ;; x=1±√19 ;; 1 + \sqrt{19} \text{ and } 1 - \sqrt{19}
1 \pm \sqrt{19} :: x = 1 + √19 or x = 1 - √19 ;; 1-\sqrt{19},1+\sqrt{19} ;; 1 \mp \sqrt{19}
1 \pm \sqrt{19} :: x = 1 + \sqrt{19}, 1 - \sqrt{19} ;; \frac{2 \pm \sqrt{76}}{2} ;; \frac{2 \pm 2\sqrt{19}}{2}
3, 5, 7 :: 3, 5 and 7 ;; 7, 5, 3 ;; $3$, $5$, $7$ ;; 3; 5; 7
15 \text{ cm}^2 :: A = 15 cm^2 ;; Area = 15 cm²
2m :: 2m
\pi r^2 h :: \pi r^2h ;; πr²h ;; h\pi r^2
\frac14 :: 25/100 ;; .25
i :: \sqrt{-1} ;; 0+i ;; i
e :: e^1 ;; \exp(1) ;; e
18.50 :: $18.50 ;; 18.5
-\frac{35}{9} :: -3 8/9
(0,9) \cup (9,36) :: (0,9)∪(9,36) ;; 0<x<9 or 9<x<36 ;; x \in (0,9) \cup (9,36)
\frac{x+2}{7} :: f^{-1}(x) = \frac{x+2}{7} ;; y = (x+2)/7
-\frac{\pi}{6} :: -π/6 ;; -\pi/6
\frac{\pi}{3} :: π/3
a^2+b^2 :: a²+b² ;; b^2 + a^2 ;; a^2 + b^2
\sqrt{2}+\sqrt{3} :: √2+√3 ;; \sqrt3+\sqrt2 ;; \sqrt{5+2\sqrt{6}} ;; sqrt(2) + sqrt(3)
""")
