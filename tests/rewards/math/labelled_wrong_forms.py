"""Wrong answers to golds that are no single number: category -> list of (answer, gold). None may be accepted."""

from __future__ import annotations

from tests.rewards.math.labelled import table

WRONG_FORMS = table(r"""
# tuple
(15,-29) :: (-29,15) ;; (15,29) ;; \{15,-29\} ;; 15 ;; (15,-29,0) ;; 15-29 ;; (-15,-29) ;; (15,-29) or (15,29)
(15,-29) :: (15,-29),(15,29) ;; (15) ;; (15.-29) ;; (15,-29.0001) ;; 15, 29 ;; (1529) ;; (15;-28) ;; (x,y)
(6,31,-1) :: (6,31) ;; (6,31,1) ;; \{6,31,-1\} ;; (31,6,-1) ;; (6,31,-1,-1) ;; 631-1 ;; (6, 31, -2) ;; (-1,6,31)
(1,2) :: \{1,2\} ;; (2,1) ;; [1,2] ;; (1,2] ;; 1.2 ;; 12 ;; (1,2,3) ;; (1,1) ;; 1 or 2 ;; [1,2) ;; (12)
\left( 3, \frac{\pi}{2} \right) :: (3, \frac{\pi}{3}) ;; (3, 1.5708) ;; (\frac{\pi}{2}, 3) ;; (3, \frac{2}{\pi})
\left( 3, \frac{\pi}{2} \right) :: (-3, \frac{\pi}{2}) ;; (3, 90)
\left( 3, \frac{\pi}{2} \right) :: 3, \pi ;; \frac{3\pi}{2} ;; (3, \frac{\pi}{2}, 0) ;; (3, -\frac{\pi}{2})

# set
\{1,2\} :: (1,2) ;; \{1,3\} ;; \{1\} ;; \{1,2,3\} ;; [1,2] ;; 1 ;; 2 ;; \{12\} ;; \{-1,2\} ;; \{\{1,2\}\} ;; \{1.2\}
\{1,2\} :: 3 ;; \{\}
\{1 \pm \sqrt{5}, -2\} :: \{1+\sqrt{5}, -2\} ;; -2 ;; \{1\pm\sqrt{5}\} ;; \{1\pm\sqrt{5}, 2\} ;; \{1,5,-2\}
\{1 \pm \sqrt{5}, -2\} :: (1\pm\sqrt{5},-2,0)
\{-3, 0, \frac{1}{2}\} :: (-3,0,\frac12) ;; \{3,0,\frac12\} ;; \{-3,0\} ;; \{-3,0,2\} ;; -3 ;; \{-3, 0, 0.5, 1\}
\emptyset :: \{0\} ;; 0 ;; \{\emptyset\} ;; \mathbb{R} ;; all

# list of values
1,-2 :: 1 ;; -2 ;; 1,2 ;; -1,2 ;; 1,-2,3 ;; 1-2 ;; 1 or 2 ;; 1.-2 ;; -1 ;; 1,-2,-3 ;; \{1\} ;; 1, -2, or 4
3, 5, 7 :: 3,5 ;; 3,5,7,9 ;; 357 ;; 3.5.7 ;; 3 ;; 3+5+7 ;; 15 ;; 3,5,8 ;; 3, 57 ;; 3,7
3 \pm 2\sqrt{2} :: 3+2\sqrt{2} ;; 3-2\sqrt{2} ;; 3 \pm 2 ;; 2 \pm 3\sqrt{2} ;; 3 \pm \sqrt{2} ;; -3 \pm 2\sqrt{2}
3 \pm 2\sqrt{2} :: \pm 3 + 2\sqrt{2}
\pm 4 :: 4 ;; -4 ;; 4, 4 ;; \pm 2 ;; 0 ;; |4| ;; \pm 16

# interval
(3,4] :: (3,4) ;; [3,4] ;; [3,4) ;; (3,5] ;; 3 ;; 4 ;; 3<\lambda<4 ;; 3\le\lambda\le 4 ;; (4,3] ;; \{3,4\} ;; (3,4],5
(3,4] :: 3,4 ;; (3.4]
[-2,7] :: (-2,7) ;; [2,7] ;; [-2,7) ;; [-2,8] ;; -2,7 ;; -2 \le x ;; x \le 7 ;; (-2,7] ;; -2 < x < 7 ;; [7,-2]
[-2,7] :: \{-2,7\} ;; [-7,2]
(2,12) \cup (12,102) :: (2,102) ;; (2,12) ;; (12,102) ;; (2,12]\cup(12,102) ;; (2,12)\cap(12,102) ;; (2,12),(12,103)
(2,12) \cup (12,102) :: [2,12)\cup(12,102]
(-\infty, 2) \cup (3, \infty) :: (2,3) ;; (-\infty,2] \cup [3,\infty) ;; (-\infty,\infty) ;; (-\infty,2)
(-\infty, 2) \cup (3, \infty) :: (-\infty,3)\cup(2,\infty)
(-\infty, 2) \cup (3, \infty) :: (-\infty,2)\cap(3,\infty) ;; x<2 \text{ and } x>3 ;; (-\infty, 2) \cup (3, 100)
[\sqrt{2},\infty) :: (\sqrt{2},\infty) ;; m > \sqrt{2} ;; m \le \sqrt{2} ;; [2,\infty) ;; \sqrt{2}
[\sqrt{2},\infty) :: [1.414214,\infty) ;; m = \sqrt{2} ;; [-\sqrt{2},\infty)
(5,\infty) :: [5,\infty) ;; x \ge 5 ;; x < 5 ;; (-\infty,5) ;; 5 ;; (5,6) ;; \infty ;; x = 5

# inequality
x > 5 :: x \ge 5 ;; x < 5 ;; x = 5 ;; 5 ;; x > 6 ;; x > -5 ;; 5 > x ;; x > 5 or x < 0 ;; [5,\infty) ;; -x > 5
x > 5 :: x \ne 5
-1 \le x < 3 :: -1 < x < 3 ;; -1 \le x \le 3 ;; x < 3 ;; -1 ;; (-1,3) ;; -1 \le x ;; -3 < x \le 1 ;; -1 \ge x > 3

# matrix
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: \begin{pmatrix} -2 & -14 & -7 \end{pmatrix}
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: \begin{pmatrix} -2 \\ -14 \\ 7 \end{pmatrix}
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: \begin{pmatrix} -2 \\ -14 \end{pmatrix} ;; -2
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: \begin{pmatrix} -14 \\ -2 \\ -7 \end{pmatrix}
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: \begin{pmatrix} -2 \\ -14 \\ -7 \\ 0 \end{pmatrix} ;; \{-2,-14,-7\}
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: -2-14-7
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: \begin{vmatrix} -2 \\ -14 \\ -7 \end{vmatrix}
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} :: \begin{pmatrix} 2 \\ 14 \\ 7 \end{pmatrix}
\begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix} :: \begin{pmatrix} 1/5 \\ 18/5 \end{pmatrix}
\begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix} :: \begin{pmatrix} 1 \\ -18 \end{pmatrix} ;; \frac{1}{5}
\begin{pmatrix} 0 & 3 \\ 0 & -1 \end{pmatrix} :: \begin{pmatrix} 0 & 0 \\ 3 & -1 \end{pmatrix}
\begin{pmatrix} 0 & 3 \\ 0 & -1 \end{pmatrix} :: \begin{pmatrix} 3 & 0 \\ 0 & -1 \end{pmatrix} ;; 0
\begin{pmatrix} 0 & 3 \\ 0 & -1 \end{pmatrix} :: \begin{vmatrix} 0 & 3 \\ 0 & -1 \end{vmatrix}
\begin{pmatrix} 0 & 3 \\ 0 & -1 \end{pmatrix} :: \begin{pmatrix} 0 & 3 & 0 & -1 \end{pmatrix}
\begin{pmatrix} 0 & 3 \\ 0 & -1 \end{pmatrix} :: \begin{pmatrix} 0 & 3 \\ 0 & 1 \end{pmatrix}
\begin{pmatrix} 0 & 3 \\ 0 & -1 \end{pmatrix} :: \begin{pmatrix} 0 & 3 \\ 0 \end{pmatrix}

# radical
3\sqrt{13} :: 13\sqrt{3} ;; 3\sqrt{12} ;; 3 ;; \sqrt{39} ;; \sqrt{13} ;; 10.816654 ;; 10.82 ;; 3\sqrt[3]{13}
3\sqrt{13} :: -3\sqrt{13} ;; 3 + \sqrt{13} ;; 313 ;; 3√12
11\sqrt2 :: 112 ;; 11 ;; \sqrt{22} ;; 2\sqrt{11} ;; 11\sqrt{3} ;; 15.556349 ;; 22
1+2\sqrt{3} :: 1-2\sqrt{3} ;; 3\sqrt{3} ;; 2+\sqrt{3} ;; 4.464102 ;; 1+2\cdot 3 ;; 1 ;; 1 \pm 2\sqrt{3} ;; \sqrt{13}
1+2\sqrt{3} :: (1+2)\sqrt{3}
\frac{\sqrt{21}}{5} :: \sqrt{\frac{21}{5}} ;; \frac{21}{5} ;; 0.916515 ;; \frac{\sqrt{21}}{4} ;; \frac{5}{\sqrt{21}}
\frac{\sqrt{21}}{5} :: \sqrt{21/5}
\frac{\sqrt{3}}{3} :: \sqrt{3} ;; 1 ;; 0.577350 ;; \frac{\sqrt{3}}{2} ;; \frac{3}{\sqrt{2}} ;; \sqrt{1} ;; 0.57735027

# complex
6 - 5i :: 6+5i ;; 6 ;; 5i ;; 6-5 ;; 6-5j+1 ;; (6,-5) ;; -6-5i ;; 1 ;; 5-6i ;; 6-5i+0.0001 ;; \sqrt{61} ;; 6-5x
6 - 5i :: 6-5I or 6+5I
-2 + 7i :: -2-7i ;; 2+7i ;; 7-2i ;; 5i ;; -27i ;; -2 + 7 ;; -2 \pm 7i ;; (-2,7)
1+2i :: 1-2i ;; 3i ;; 2+i ;; 1+2 ;; 1+2i^2 ;; 1+2t ;; 12i ;; \sqrt{5}
-1 :: e^{\pi} ;; e^{2i\pi} ;; i ;; 1 ;; -e ;; -i ;; i^4

# polynomial and expression
p - q :: q-p ;; p+q ;; p ;; p-Q ;; p - r ;; x - y ;; 0 ;; p-q=0 ;; pq ;; p - q - 1 ;; |p-q|
x^3+3x-6 :: x^3-3x+6 ;; x^3+3x ;; x^2+3x-6 ;; x^3+3x-7 ;; y^3+3y-6 ;; x^3+3x-6=1 ;; -(x^3+3x-6) ;; x^3+3x-6.00001
6r^2-4r-24 :: 6r^2-4r+24 ;; 3r^2-2r-12 ;; 6x^2-4x-24 ;; 6r^2-4r ;; 6r^2+4r-24 ;; 2r^2
(x-2)(x+5) :: (x+2)(x-5) ;; x-2 ;; (x-2)+(x+5) ;; (x-2,x+5) ;; x = 2, -5 ;; (x-2)(x-5) ;; x^2+3x+10
\frac{x+2}{7} :: x+\frac{2}{7} ;; \frac{x-2}{7} ;; \frac{7}{x+2} ;; \frac{x+2}{8} ;; x+2/7 ;; \frac{y+2}{7}
\cot x :: \tan x ;; \cot y ;; \cot 2x ;; \cos x ;; \frac{1}{\cot x} ;; -\cot x ;; \cot^2 x
3R^2 :: 3R ;; 3r ;; R^2 ;; 3R^3 ;; 9R^2 ;; (3R)^2 ;; 6R ;; 32
e^{2} :: e^{3} ;; 7.389056 ;; 2e ;; e2 ;; 2 ;; e ;; \ln 2 ;; 7.39 ;; -e^2
18+2\pi :: 20\pi ;; 18-2\pi ;; 24.283185 ;; 2+18\pi ;; 18\cdot 2\pi ;; 18+2 ;; 18 + 6.28 ;; 18

# name and word
\text{Navin} :: Luis ;; Nav ;; Navinn ;; N ;; Navina ;; Nivan ;; n ;; Yes ;; N a v i x ;; the answer
\text{ellipse} :: circle ;; parabola ;; ellipses and hyperbola ;; hyperbola ;; line ;; not an ellipse ;; e
\text{even} :: odd ;; neither ;; even or odd ;; not even ;; uneven ;; 2 ;; even and odd ;; 0
\text{Tuesday} :: Thursday ;; Tues or Wed ;; day ;; T ;; Tuesday or Wednesday ;; Wednesday ;; 2
\text{Yes} :: No ;; Yes and no ;; Yes/No ;; True or False ;; not yes ;; Y or N ;; eyes

# choice
C :: A ;; D ;; B ;; (A) ;; \text{B} ;; CC ;; C^2 ;; 3 ;; C+1 ;; \text{(D)} ;; 2C ;; AC ;; C1
\text{(B)} :: A ;; (C) ;; \text{(C)} ;; \text{D} ;; 8 ;; (B) or (C) ;; 2 ;; BB ;; E ;; (A), (B) ;; \text{(AB)}
(D) :: (A) ;; C ;; \text{E} ;; (D)(E) ;; D or E ;; 4 ;; not D
ABC :: CBA ;; BAC ;; AB ;; A ;; ABCD ;; ACB
abc :: cba ;; bca ;; ab ;; abcd ;; a

# ratio, time, date
3:5 :: 5:3 ;; 3:4 ;; 35 ;; 3 ;; 3:5:7 ;; 3.5 ;; 3,5 ;; 3:50 ;; 13:5
2:30 :: 3:30 ;; 230 ;; 2:3 ;; 2.30 ;; 2:03 ;; 12:30 ;; 2:30 or 3:30
\text{June 20} :: June 21 ;; July 20 ;; 20 ;; June ;; June 2 ;; June 20 or 21 ;; 20 July ;; June 200
11:15 \text{ p.m.} :: 11:15 a.m. ;; 11:15 AM ;; 11:51 p.m. ;; 1:15 p.m. ;; 15:11 ;; 11 p.m.

# right and wrong parts in boxes, dollars and words
18 :: \boxed{18} cents ;; \boxed{18}9 ;; 1\boxed{8} ;; \boxed{18} + 1 ;; \boxed{1}8 ;; \boxed{18}\boxed{18}\boxed{19}
18 :: 2\boxed{18}
18 :: \boxed{18 or 19} ;; \boxed{18}, \boxed{19} ;; -\boxed{18} ;; \boxed{18}^2 ;; $18 - 1 ;; $18$ - $17$ ;; $18$$19$
18 :: \sqrt{\boxed{18}}
5 :: -$5 ;; \$-5 ;; -\$5 ;; 5- ;; -(5) ;; (-5) ;; 5 below zero, that is -5 ;; \left(-5\right) ;; 5\text{ or }-5
5 :: minus 5
\frac{1}{2} :: 2 cups ;; 1/2 or 1/3 ;; -1/2 ;; 1/20 ;; 11/2 ;; 1 1/2 ;; 1 - 1/2 + 1 ;; 1/2 + 1/2 ;; 1/2^2
\frac{1}{2} :: \frac{1}{2}\cdot\frac{1}{2}
\sqrt{53} :: \sqrt{5}3 ;; 53 ;; \sqrt{35} ;; -\sqrt{53} ;; \pm\sqrt{53} ;; 7.280110 ;; \sqrt[3]{53}
\sqrt{53} :: \sqrt{5.3} ;; \sqrt{53}i
7\pi :: 7\pi\text{ or }8\pi ;; -7\pi ;; 7\pi + 1 ;; 7.\pi8 ;; 77\pi ;; \pi^7
36^\circ :: 36^\circ 30' ;; 144^\circ ;; 54^\circ ;; 36 \text{ rad} ;; -36^\circ ;; 36^\circ \text{ or } 144^\circ
36^\circ :: 360
(8,-2) :: (8,2) ;; (-2,8) ;; (8,-2),(2,8) ;; (8,-2,0) ;; 8 ;; (8,-20) ;; x=8 ;; (8,-2)+(1,1) ;; 2(8,-2) ;; |(8,-2)|
(8,-2) :: -(8,-2)
10 :: 10 or more ;; 10+ ;; 10^1+1 ;; 10_2 ;; 10\text{ to }12 ;; over 10 ;; less than 10 ;; 10x ;; 10i ;; 1010 ;; 10:1
12 :: \text{twelve and a half} ;; 12\ldots13 ;; 12...15 ;; 1\,2\,3 ;; 1,2 ;; 1.2e2 ;; 0x12 ;; 12_3 ;; 12'
12 :: 12! ;; 12^\circ 30'

# gold word said in other words, and answers that say nothing
18 :: the gold ;; correct ;; True ;; see above ;; gold ;; answer ;; I don't know ;; ? ;; . ;; $ $ ;; \boxed{} ;; -
18 :: N/A ;; x ;; inf
18 :: same as the expected answer ;; \text{} ;; {} ;; () ;; \frac{}{} ;; undefined ;; NaN ;; nan ;; \infty ;; None
18 :: ... ;; *
""")
