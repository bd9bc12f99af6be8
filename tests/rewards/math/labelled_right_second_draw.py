"""A second draw of right answers, of the same kinds: category -> list of (answer, gold). All have to be accepted."""

from __future__ import annotations

from tests.rewards.math.labelled import table

RIGHT_SECOND_DRAW = table(r"""
# more numbers and forms
7 :: 7 ;; 7 km ;; 7 kids ;; 7. ;; **7** ;; \boxed{7} ;; \textbf{7} ;; \text{7 boxes} ;; $7$ boxes ;; t = 7 ;; \$7
7 :: 7 pounds ;; 7\text{ ways} ;; 7.000
960 :: 960 calories ;; 960 \text{ calories} ;; $960.00 ;; \boxed{960}\text{ ml} ;; 960 dollars per month ;; 960 miles
3,140,000 :: 3140000 ;; 3{,}140{,}000 ;; $3,140,000 ;; 3\,140\,000 ;; 3.14 \times 10^6
\frac{17}{6} :: 17/6 ;; 2\frac{5}{6} ;; 2 5/6 ;; \dfrac{34}{12} ;; 2 + \frac{5}{6} ;; \frac{17}6 ;; 2\tfrac{5}{6}
-\frac{2}{7} :: -2/7 ;; \frac{-2}{7} ;; \frac{2}{-7} ;; - \frac27 ;; −2/7 ;; -\left(\frac{2}{7}\right)
5\sqrt{7} :: 5√7 ;; \sqrt{175} ;; \frac{35}{\sqrt{7}} ;; 5 \cdot 7^{1/2} ;; \sqrt{7}\cdot 5 ;; 5\sqrt 7
\frac{1+\sqrt{5}}{2} :: (1+\sqrt{5})/2 ;; \frac{1}{2}+\frac{\sqrt{5}}{2} ;; (1+√5)/2 ;; \phi=\frac{1+\sqrt5}{2}
\frac{1+\sqrt{5}}{2} :: 0.5+0.5\sqrt{5}
64\pi :: 64π ;; 64 \pi \text{ cm}^2 ;; 8^2\pi ;; 64\pi\text{ square units}
\frac{\pi}{6} :: π/6 ;; \dfrac{\pi}{6} ;; \frac16\pi ;; \pi/6 \text{ radians} ;; x = \frac{\pi}{6}
3 + 4i :: 4i+3 ;; 3+4i ;; w=3+4i ;; 3 + 4\mathrm{i} ;; 3+4·i
(-1, 0, \frac{3}{2}) :: (-1,0,1.5) ;; \left(-1,0,\tfrac32\right) ;; (-1, 0, 3/2) ;; (x,y,z)=(-1,0,3/2)
(-\infty, -3] :: (-∞, -3] ;; x \le -3 ;; x\leq -3 ;; (-\infty,-3]. ;; t \in (-\infty,-3]
[0,1) \cup (1,4] :: [0,1)∪(1,4] ;; (1,4]\cup[0,1)
\{2, 4, 8\} :: \{8,4,2\} ;; {2,4,8} ;; \left\{2,4,8\right\}
ab + ac :: a(b+c) ;; ac+ab ;; ca+ba ;; a\cdot b+a\cdot c
2a - 3b :: 2a-3b ;; -3b+2a ;; -(3b-2a)
r - s :: r-s ;; -s+r ;; \boxed{r-s} ;; -(s-r)
x + y :: x+y ;; y+x
m-n :: m - n ;; -n+m
\sin^2 x :: \sin^2 x ;; (\sin x)^2 ;; 1-\cos^2 x ;; \sin^{2}(x)
t^4 - 16 :: (t^2-4)(t^2+4) ;; (t-2)(t+2)(t^2+4) ;; t^{4}-16
y = 3x - 7 :: y=3x-7 ;; y = -7+3x ;; 3x - 7 = y
\text{Maria} :: Maria ;; maria ;; **Maria** ;; \text{Maria}.
\text{parabola} :: Parabola ;; parabola. ;; \text{parabola}
\text{(E)} :: E ;; (E) ;; \textbf{(E)} ;; **E**
331_4 :: 331_4 ;; 331_{4} ;; 331₄ ;; $331_{4}$
135^\circ :: 135° ;; 135 ;; 135 degrees ;; 135^{\circ}
62.5\% :: 62.5% ;; 62.5 \% ;; 62.5 percent
\begin{pmatrix} 2 & 0 \\ 1 & 5 \end{pmatrix} :: \begin{bmatrix}2&0\\1&5\end{bmatrix}
\begin{pmatrix} 2 & 0 \\ 1 & 5 \end{pmatrix} :: \left(\begin{matrix}2&0\\1&5\end{matrix}\right)
\begin{pmatrix} 2 & 0 \\ 1 & 5 \end{pmatrix} :: \begin{pmatrix}2.0&0\\1&5\end{pmatrix}
\begin{pmatrix} 2 & 0 \\ 1 & 5 \end{pmatrix} :: \left(\begin{array}{cc}2&0\\1&5\end{array}\right)
2 \pm \sqrt{3} :: 2+\sqrt3, 2-\sqrt3 ;; 2±√3 ;; 2\pm\sqrt{3}
\log_2 3 :: \log_2 3 ;; \log_{2}(3) ;; \frac{\ln 3}{\ln 2} ;; \frac{\log 3}{\log 2}
4! :: 24 ;; 4!
3^{20} :: 3^{20} ;; 9^{10} ;; 3486784401
4:15 \text{ a.m.} :: 4:15 a.m. ;; 4:15 AM ;; 4:15 am
7:2 :: 7:2 ;; 7 : 2
\$1.25 :: 1.25 ;; $1.25 ;; \$1.25 ;; 1.25 dollars
40 \text{ mph} :: 40 mph ;; 40 ;; 40\text{ mph}

# once more, longer ones
11 :: 11 red marbles ;; 11 \text{ small boxes} ;; $11 per hour ;; 11 miles per hour ;; 11\text{ hr}
\frac{7}{8} :: 7/8 ;; \frac{7}{8}\text{ mile} ;; .875 ;; 0.875 ;; \left(\frac78\right) ;; \text{7/8} ;; 7 / 8
\frac{7}{8} :: \frac{ 7 }{ 8 } ;; ${7}/{8}$ ;; 87.5/100
x^2 - 5x + 6 :: (x-2)(x-3) ;; x^2-5x+6 ;; x^2 + 6 - 5x ;; x^{2}-5x+6 ;; y^0(x^2-5x+6) ;; x(x-5)+6 ;; x*x-5*x+6
-\sqrt{3} :: -√3 ;; -\sqrt3 ;; -3^{1/2} ;; -\frac{3}{\sqrt{3}}
2\sqrt{2}-2 :: 2(\sqrt{2}-1) ;; -2+2\sqrt2 ;; 2√2−2 ;; \sqrt{8}-2
\frac{3}{2} + \frac{\sqrt{3}}{2}i :: \frac{3+\sqrt{3}i}{2} ;; \frac{3+i\sqrt{3}}{2} ;; 1.5+\frac{\sqrt3}{2}i
(-4,4] \cup \{7\} :: (-4,4]\cup\{7\}
\left[ -\frac{1}{2}, 2 \right) :: [-1/2,2) ;; [-0.5,2) ;; -\frac12 \le x < 2 ;; \left[-\frac12,2\right)
(3, -1), (-3, 1) :: (3,-1),(-3,1) ;; (3,-1) and (-3,1) ;; (-3,1), (3,-1)
-3, -2, 5 :: -3,-2,5 ;; -3, -2, and 5
\frac{a+b}{c} :: (a+b)/c ;; \frac{a}{c}+\frac{b}{c}
n(n+1)/2 :: \frac{n(n+1)}{2} ;; \frac{n^2+n}{2} ;; \frac12 n(n+1)
\sin x + \cos x :: \cos x+\sin x ;; \sin(x)+\cos(x)
\text{(A)} :: A ;; \text{A} ;; (A). ;; $\text{(A)}$
\text{not continuous} :: not continuous ;; \text{not continuous}
\text{Monday, Friday} :: Monday, Friday
120 \text{ students} :: 120 ;; 120 students
1.5 \text{ hours} :: 1.5 hours ;; 1.5 ;; 1.5 hr ;; \frac{3}{2} \text{ hours}
3x + 4y = 12 :: 3x+4y=12 ;; 4y+3x=12 ;; 3x + 4y - 12 = 0 ;; 12 = 3x+4y
x^2 + y^2 = 25 :: x^2+y^2=25 ;; y^2 + x^2 = 25
\begin{pmatrix} -1/2 \\ \sqrt{3}/2 \end{pmatrix} :: \begin{pmatrix} -\frac12 \\ \frac{\sqrt3}{2} \end{pmatrix}
y \ge 2 :: y \geq 2 ;; y ≥ 2 ;; [2,\infty)
2^{10} \cdot 3^5 :: 248832 ;; 2^{10}\cdot3^5 ;; 3^5 \times 2^{10}
""")
