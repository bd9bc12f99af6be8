"""Right answers that are no single number: category -> list of (answer, gold). All have to be accepted."""

from __future__ import annotations

from tests.rewards.math.labelled import table

RIGHT_FORMS = table(r"""
# tuple
(15,-29) :: (15, -29) ;; (15,-29) ;; $(15,-29)$ ;; \left(15, -29\right) ;; \boxed{(15,-29)} ;; (15,−29)
(15,-29) :: (x,y) = (15,-29)
(15,-29) :: \left( 15,\; -29 \right) ;; (15.0, -29) ;; ( 15 , -29 ). ;; (\,15,\,-29\,) ;; \big(15,-29\big)
\left( 3, \frac{\pi}{2} \right) :: (3, \pi/2) ;; (3,\frac{\pi}{2}) ;; \left(3, \dfrac{\pi}{2}\right) ;; (3, π/2)
\left( 3, \frac{\pi}{2} \right) :: (3, 0.5\pi)
(6,31,-1) :: (6, 31, -1) ;; \left(6,31,-1\right) ;; $(6,31,-1)$
\left(\frac12, 7\right) :: (1/2, 7) ;; (0.5, 7) ;; (\frac{1}{2},7) ;; (\tfrac12,7)

# set
\{1,2\} :: \{1,2\} ;; \{2,1\} ;; {1, 2} ;; \left\{1, 2\right\} ;; $\{1,2\}$ ;; \boxed{\{1,2\}} ;; {2, 1}
\{1,2\} :: \lbrace 1,2 \rbrace
\{1 \pm \sqrt{5}, -2\} :: \{-2, 1+\sqrt{5}, 1-\sqrt{5}\} ;; \{1\pm\sqrt5,-2\}
\{-3, 0, \frac{1}{2}\} :: \{0, \frac12, -3\} ;; \{-3,0,0.5\} ;; \left\{-3, 0, \tfrac{1}{2}\right\}
\emptyset :: \emptyset ;; \varnothing ;; ∅ ;; \{\}

# list of values
1,-2 :: 1,-2 ;; 1, -2 ;; $1, -2$ ;; 1,−2 ;; 1 and -2 ;; x = 1, -2
3, 5, 7 :: 3,5,7 ;; $3, 5, 7$ ;; 3, 5, 7. ;; 3, 5, and 7
3 \pm 2\sqrt{2} :: 3\pm2\sqrt{2} ;; 3 ± 2√2 ;; 3+2\sqrt{2}, 3-2\sqrt{2} ;; $3 \pm 2 \sqrt{2}$ ;; x = 3 \pm 2\sqrt{2}
\pm 4 :: \pm 4 ;; ±4 ;; 4, -4

# interval
(3,4] :: (3,4] ;; (3, 4] ;; 3<λ≤4 ;; \left(3,4\right] ;; 3 < x \le 4 ;; x \in (3,4] ;; 3 < x \leq 4 ;; \lambda\in(3,4]
[-2,7] :: [-2, 7] ;; \left[-2,7\right] ;; -2 \le x \le 7 ;; x \in [-2,7] ;; -2\leq x\leq 7
(2,12) \cup (12,102) :: (2,12)\cup(12,102) ;; (2, 12) ∪ (12, 102) ;; (12,102) \cup (2,12) ;; x\in(2,12)\cup(12,102)
(-\infty, 2) \cup (3, \infty) :: (-∞,2)∪(3,∞) ;; (-\infty,2)\cup(3,+\infty)
(-\infty, 2) \cup (3, \infty) :: \left(-\infty,2\right)\cup\left(3,\infty\right)
[\sqrt{2},\infty) :: [\sqrt2, \infty) ;; x \ge \sqrt{2} ;; m \geq \sqrt{2} ;; \left[\sqrt{2},+\infty\right)
[\sqrt{2},\infty) :: m>=sqrt(2)
(5,\infty) :: (5, ∞) ;; x > 5 ;; (5,+\infty) ;; x>5

# inequality
x > 5 :: x > 5 ;; x>5 ;; 5 < x ;; $x > 5$ ;; (5,\infty)
-1 \le x < 3 :: -1 \leq x < 3 ;; -1 ≤ x < 3 ;; [-1,3) ;; x \in [-1,3)

# matrix
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: \begin{pmatrix}-2\\-14\\-7\end{pmatrix}
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: \begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix}
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: \begin{bmatrix} -2 \\ -14 \\ -7 \end{bmatrix}
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: $\begin{pmatrix}-2\\-14\\-7\end{pmatrix}$
\begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix} :: \begin{pmatrix} \frac15 \\ -\frac{18}{5} \end{pmatrix}
\begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix} :: \begin{pmatrix} 0.2 \\ -3.6 \end{pmatrix}
\begin{pmatrix} 0 & 3 \\ 0 & -1 \end{pmatrix} :: \begin{pmatrix}0&3\\0&-1\end{pmatrix}
\begin{pmatrix} 0 & 3 \\ 0 & -1 \end{pmatrix} :: \begin{bmatrix}0 & 3 \\ 0 & -1\end{bmatrix}
\begin{pmatrix} 0 & 3 \\ 0 & -1 \end{pmatrix} :: \boxed{\begin{pmatrix} 0 & 3 \\ 0 & -1 \end{pmatrix}}
\begin{pmatrix} 0 & 3 \\ 0 & -1 \end{pmatrix} :: A = \begin{pmatrix}0&3\\0&-1\end{pmatrix}

# polynomial and expression
p - q :: p-q ;; -q+p ;; $p - q$ ;; \boxed{p-q} ;; -(q-p)
x^3+3x-6 :: x^3 + 3x - 6 ;; 3x + x^3 - 6 ;; x^{3}+3x-6 ;; $x^3+3x-6$ ;; x³ + 3x - 6 ;; f(x) = x^3+3x-6
x^3+3x-6 :: x^3 + 3 x - 6.
6r^2-4r-24 :: 2(3r^2-2r-12) ;; 6r^2 - 4r - 24 ;; -24-4r+6r^2 ;; 6r^{2}-4r-24
(x-2)(x+5) :: (x+5)(x-2) ;; (x - 2)(x + 5) ;; (x-2)\cdot(x+5)
2k+2 :: 2(k+1) ;; 2k + 2 ;; 2 + 2k
\frac{x+2}{7} :: (x+2)/7 ;; \frac{1}{7}(x+2) ;; \frac{x}{7}+\frac{2}{7} ;; \dfrac{x+2}{7}
\cot x :: \cot x ;; \cot(x) ;; \frac{\cos x}{\sin x} ;; \cot{x}
3R^2 :: 3R^2 ;; 3R^{2} ;; 3 R^2 ;; $3R^2$
\ln 2 :: \ln 2 ;; \ln(2) ;; \ln{2}
e^{2} :: e^2 ;; e^{2} ;; e \cdot e

# equation
y = 2x + 3 :: y = 2x+3 ;; y=2x+3 ;; $y = 2x + 3$ ;; y = 3 + 2x ;; \boxed{y=2x+3} ;; 2x + 3 = y
x=5 :: x=5 ;; x = 5 ;; 5 ;; $x=5$ ;; \boxed{5}
y = -\frac{1}{2}x + 4 :: y=-\frac12x+4 ;; y = -0.5x + 4 ;; y = 4 - \frac{x}{2}

# name and word
\text{Navin} :: Navin ;; \text{Navin} ;; \boxed{\text{Navin}} ;; **Navin** ;; $\text{Navin}$ ;; Navin.
\text{Navin} :: \mathrm{Navin} ;; navin
\text{ellipse} :: ellipse ;; Ellipse ;; \text{Ellipse} ;; \textbf{ellipse} ;; $\text{ellipse}$ ;; \mbox{ellipse}
\text{even} :: even ;; Even ;; \text{even} ;; even.
\text{Tuesday} :: Tuesday ;; \text{Tuesday} ;; tuesday ;; Tuesday.
\text{Yes} :: Yes ;; yes ;; \text{Yes}

# choice
C :: C ;; (C) ;; \text{C} ;; $C$ ;; \boxed{C} ;; C. ;; \text{(C)} ;; **C** ;; \textbf{(C)}
\text{(B)} :: B ;; (B) ;; \text{(B)} ;; \text{B} ;; \mathrm{B} ;; \boxed{\text{B}} ;; $\textbf{(B)}$ ;; B.
(D) :: D ;; (D) ;; \text{(D)} ;; $\text{D}$

# boxes, dollars and words together
18 :: \boxed{18} dollars ;; $18$ dollars ;; \boxed{$18$} ;; \(\boxed{18}\) ;; \[\boxed{18}\]
18 :: \boxed{18}\text{ dollars}
18 :: \boxed{\text{18}} ;; \boxed{18.} ;; \mathbf{18}. ;; $\mathbf{18}$ ;; \boxed{ 18 } ;; \boxed{\$18}
18 :: x = \boxed{18}
-5 :: -$5 ;; $-5$ ;; -\$5 ;; \boxed{-5}. ;; -5 degrees ;; $-5.$ ;; y=-5 ;; \left(-5\right)
43,500 :: $43,500.00 ;; 43500.0 ;; 43500 dollars ;; \$43{,}500 ;; 43,500 people
\frac{1}{2} :: 1/2 cup ;; \frac{1}{2}\text{ cup} ;; \frac{1}{2}. ;; **1/2** ;; \(\frac{1}{2}\) ;; p = 1/2 ;; 50/100
\frac{1}{2} :: (1/2)
\frac{1}{3} :: 0.\overline{3} ;; \frac{1}{3} ;; {1 \over 3} ;; 1/3. ;; \left(\frac{1}{3}\right) ;; \frac13
\sqrt{53} :: \sqrt{53} units ;; \sqrt{53}\text{ units} ;; 53^{1/2} ;; \sqrt {53} ;; \sqrt{53}. ;; d = \sqrt{53}
7\pi :: 7\pi square inches ;; 7\pi \text{ in}^2 ;; 7 \pi ;; 7π ;; A = 7\pi ;; 7\cdot\pi
36^\circ :: 36 ;; \angle B = 36^\circ ;; 36^\circ. ;; \theta = 36^\circ
(-\infty, 2) \cup (3, \infty) :: x < 2 \text{ or } x > 3 ;; x<2 or x>3
(8,-2) :: (x, y) = (8, -2) ;; \boxed{(8, -2)} ;; **(8, -2)** ;; P = (8,-2) ;; (8, -2). ;; \left(8,\,-2\right)
\text{(B)} :: \boxed{\text{(B)}} ;; $\boxed{B}$ ;; \boxed{(B)} ;; **(B)** ;; \textbf{B}

# ratio, time, date
3:5 :: 3:5 ;; 3 : 5 ;; $3:5$ ;; \boxed{3:5}
2:30 :: 2:30 ;; $2:30$
\text{June 20} :: June 20 ;; \text{June 20} ;; June 20.
11:15 \text{ p.m.} :: 11:15 p.m. ;; 11:15\text{ p.m.} ;; 11:15 PM
""")
