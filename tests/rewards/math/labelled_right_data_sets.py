"""Right answers in the forms that data sets hold most often, by kind: category -> list of (answer, gold)."""

from __future__ import annotations

from tests.rewards.math.labelled import table

RIGHT_DATA_SETS = table(r"""
# names of a sum that a contest asks for, and of an eccentricity
m+n=53 :: 53 ;; m+n=53 ;; 50+3
53 :: m+n=53 ;; m + n = 53 ;; a+b+c=53 ;; p+q = 53 ;; 50+3=53
a+b+c=12 :: 12
e=\frac{\sqrt{5}}{2} :: \frac{\sqrt5}{2} ;; e=\frac{\sqrt5}{2}
\frac{\sqrt{5}}{2} :: e = \frac{\sqrt{5}}{2}
# names of functions and derivatives
y = Ce^{3x} :: y(x) = Ce^{3x} ;; y(x)=C e^{3 x} ;; Ce^{3x} = y
y(x) = x^2+1 :: y = x^2+1 ;; x^2+1 ;; y(x)=1+x^2
x(t) = 3\cos t :: x(t)=3\cos t ;; x = 3\cos t ;; 3\cos t
u(x) = x+1 :: u = x+1
y' = \frac{1}{x} :: \frac{1}{x} ;; y'=x^{-1} ;; \frac{dy}{dx}=\frac1x ;; y^{\prime} = \frac{1}{x} ;; dy/dx = 1/x
\frac{dy}{dx} = 3x^2 :: 3x^2 ;; y'=3x^2 ;; \frac{d y}{d x} = 3 x^{2} ;; y^\prime=3x^2
f^{\prime}(x) = 2x :: 2x ;; f'(x)=2x ;; \frac{df}{dx}=2x ;; f'(t) = 2t
f''(x) = 6x :: 6x ;; f^{\prime\prime}(x)=6x ;; f^{\prime \prime}(x) = 6x
y'' = 6x :: \frac{d^2y}{dx^2} = 6x ;; 6x ;; \frac{d^{2} y}{d x^{2}} = 6x
\frac{dx}{dt} = 3 :: 3 ;; \frac{d x}{d t} = 3
\frac{\partial z}{\partial x} = 2x+y :: 2x+y ;; y+2x ;; \frac{\partial z}{\partial x} = y+2x
S_n = n^2 :: n^2 ;; S_{n}=n^2

# golds that show their steps
S = \frac{1}{2} \cdot 5 \cdot 4 = 10 :: 10 ;; S=10 ;; 10.0
V = \frac{1}{3} \cdot 9 \cdot 4 = 12 \mathrm{~cm}^3 :: 12 ;; 12 cm^3 ;; V = 12\text{ cm}^3
P = \frac{C_3^2}{C_5^2} = \frac{3}{10} :: \frac{3}{10} ;; 0.3 ;; P = \frac{3}{10}
P(A) = \frac{4}{6} = \frac{2}{3} :: \frac23 ;; P(A)=\frac{2}{3}
V = \pi \cdot 3^2 \cdot 2 = 18\pi :: 18\pi ;; V=18\pi
S = ab = 12 :: 12
V = 12 \text{ cm}^3 :: 12 cm^3 ;; V = 12 cm^3 ;; 12
v = 5\text{ m/s} :: 5 m/s ;; 5 ;; 18 km/h
S_{\triangle ABC} = \frac12 ab\sin C = 6 :: 6 ;; S_{\triangle ABC} = 6
a_n = 2 + 3(n-1) = 3n-1 :: 3n-1 ;; a_n=3n-1
S = \int_0^1 x dx = \frac{1}{2} :: \frac12 ;; 0.5
f(3) = 3^2 + 1 = 10 :: 10

# all real numbers
x \in \mathbf{R} :: \mathbb{R} ;; (-\infty,\infty) ;; x\in\mathbb{R} ;; all real numbers ;; x \in R
\mathbf{R} :: (-\infty,+\infty) ;; \mathbb{R} ;; All real numbers ;; \text{all reals}
\text{All real numbers} :: \mathbb{R} ;; x \in \mathbf R ;; all real x ;; any real number ;; x is any real number
(-\infty,\infty) :: \mathbf{R} ;; \mathbb R ;; all real values of x
\text{all real numbers except } 3 :: (-\infty,3)\cup(3,\infty) ;; x\ne3 ;; \mathbf{R}\setminus\{3\}
x = k\pi, k \in \mathbf{Z} :: x=n\pi, n\in Z ;; x = k \pi(k \in \mathbf{Z}) ;; k\pi, k \in \mathbb{Z}
x = 2k\pi(k \in Z) :: x=2n\pi, n \in \mathbb{Z} ;; 2k\pi, k\in\mathbf{Z}
x = \frac{k\pi}{3}(k\in \mathrm{Z}) :: x=\frac{n\pi}{3}, n\in\mathbb{Z}

# no solution
\text{No real solutions} :: \emptyset ;; \varnothing ;; No real solution ;; no real roots
\emptyset :: No solution ;; There is no solution ;; the empty set
\text{no solution} :: \varnothing ;; \{\} ;; There are no solutions.
\text{DNE} :: does not exist ;; \text{Does not exist} ;; The limit does not exist. ;; dne ;; DNE
\text{does not exist} :: DNE ;; \text{DNE}
\text{undefined} :: Undefined

# points with names
B(-1,4) :: (-1,4) ;; B = (-1,4) ;; B(-1, 4)
(-1,4) :: B(-1,4) ;; Q\left(-1,4\right) ;; \text{Point }(-1,4) ;; point M(-1,4)
\text{Focus }\left(0,\frac14\right) :: (0,0.25) ;; \text{Focus: }(0,1/4)
\text{Vertex } (2,3) :: (2,3) ;; vertex at (2,3) ;; the vertex is (2,3)
(2,3) :: \text{Center: }(2,3) ;; centre (2,3) ;; Vertex (2, 3)
A(1,2), B(3,4) :: A(1,2) \text{ and } B(3,4) ;; B(3,4), A(1,2) ;; A=(1,2), B=(3,4)
P_1(0,1) :: (0,1) ;; P_1 = (0,1)
D(2,0,-1) :: (2,0,-1)
P(3,1) :: (3,1) ;; P = (3,1)
(3,1) :: P(3,1)
(\pm 5, 0) :: (5,0),(-5,0) ;; (-5,0) \text{ and } (5,0) ;; (\pm5,0) ;; \{(5,0),(-5,0)\}
(0,3),(0,-3) :: (0,\pm3)
F_1(-1,0), F_2(1,0) :: F_2(1,0), F_1(-1,0) ;; (-1,0),(1,0)
M(\sqrt{2},1) :: (\sqrt2,1)

# choices of several letters
ABD :: A, B, D ;; A,B,D ;; (A)(B)(D) ;; A, B and D ;; \text{ABD} ;; (A), (B), (D)
BC :: B and C ;; \text{B, C} ;; (B)(C)
A, C :: AC ;; C, A ;; (A)(C)
\text{①②④} :: ①, ②, ④ ;; ①②④ ;; ① ② ④ ;; ①、②、④ ;; ①, ② and ④
②③ :: ②, ③

# ratios
2:3 :: 2 to 3 ;; 2 \text{ to } 3 ;; 4 : 6 ;; 4 to 6
5 \text{ to } 7 :: 5:7 ;; 5 to 7
x:y:z = 1:2:3 :: x:y:z=2:4:6 ;; 1:2:3 ;; x : y : z = 1 : 2 : 3
3:4:5 :: a:b:c = 3:4:5
1:2:\sqrt{3} :: 2:4:2\sqrt{3} ;; \sqrt3:2\sqrt3:3
\sqrt{2}:1 :: 2:\sqrt2 ;; \sqrt{2} \text{ to } 1
1:1:\sqrt{2} :: \sqrt{2}:\sqrt{2}:2

# units with exponents
5 \text{ m/s} :: 5\ \mathrm{m\,s^{-1}} ;; 5\ \mathrm{m\cdot s^{-1}} ;; 5\text{ m s}^{-1} ;; 5 m s^{-1}
5 \text{ m/s} :: 5\,\mathrm{m}\cdot\mathrm{s}^{-1}
9.8 \text{ m/s}^2 :: 9.8\ \mathrm{m\,s^{-2}} ;; 9.8 \text{ m s}^{-2}
1000\ \mathrm{kg\,m^{-3}} :: 1000 kg/m^3 ;; 1 g/cm^3
2\ \mathrm{g\,cm^{-3}} :: 2 \text{ g/cm}^3 ;; 2000 kg/m^3
4\ \mathrm{m\,s^{-1}} :: 4 ;; 4 m/s ;; 14.4 km/h

# degrees, minutes and seconds
37.5^\circ :: 37^\circ 30' ;; 37^{\circ}30^{\prime} ;; 37°30′ ;; 37.5
12^\circ 15' 36'' :: 12.26^\circ ;; 12^\circ15'36'' ;; 12^{\circ} 15^{\prime} 36^{\prime \prime}
-5^\circ 45' :: -5.75^\circ
10 degrees 6 minutes :: 10.1^\circ
64^\circ 20' :: 64^\circ20' ;; \frac{193}{3}^\circ

# sets of tuples
\{(0,2),(3,4)\} :: (0,2),(3,4) ;; (3,4) \text{ and } (0,2) ;; \{(3,4),(0,2)\} ;; (0,2) or (3,4)
(0,2),(3,4) :: \{(0,2),(3,4)\} ;; (3,4), (0,2)
\{(1,1,2),(2,1,1)\} :: (2,1,1), (1,1,2)

# families of numbers
\{x \mid x = 2k\pi, k \in \mathbb{Z}\} :: \{2n\pi : n \in \mathbb{Z}\} ;; x=2k\pi, k\in\mathbf{Z}
\{x \mid x = 2k\pi, k \in \mathbb{Z}\} :: \{2\pi k \mid k \in Z\}
x = \frac{k\pi}{2}, k \in \mathbb{Z} :: x=k\pi \text{ or } x=\frac{\pi}{2}+k\pi, k\in\mathbb{Z}
x = \frac{k\pi}{2}, k \in \mathbb{Z} :: \{\frac{n\pi}{2} : n\in\mathbb{Z}\}
x = \frac{k\pi}{2}, k \in \mathbb{Z} :: x=k\pi, x=k\pi-\frac{\pi}{2}, k\in\mathbb{Z}
x = \pm\frac{\pi}{6} + k\pi, k \in \mathbb{Z} :: x=k\pi\pm\frac{\pi}{6}(k\in\mathbf{Z})
x = \pm\frac{\pi}{6} + k\pi, k \in \mathbb{Z} :: x = \frac{\pi}{6}+k\pi, x = \frac{5\pi}{6}+k\pi, k\in Z
x = (-1)^k \frac{\pi}{6} + k\pi, k\in\mathbb{Z} :: x=\frac{\pi}{6}+2k\pi, x=\frac{5\pi}{6}+2k\pi, k\in\mathbb{Z}
x=\frac{\pi}{6}+2k\pi, \frac{5\pi}{6}+2k\pi, k\in\mathbb{Z} :: x = (-1)^n\frac{\pi}{6} + \pi n, n\in\mathbb{Z}
x = 2k+1, k\in\mathbb{Z} :: x=2n-1, n\in\mathbb{Z} ;; x = 2k+3, k \in \mathbb{Z} ;; 1-2m, m\in\mathbb{Z}
x = \frac{\pi}{4} + k\pi, k\in\mathbb{Z} :: x = \frac{5\pi}{4}+k\pi, k\in\mathbb{Z} ;; x=-\frac{3\pi}{4}+n\pi, n \in Z
x = \arctan 2 + k\pi, k \in \mathbb{Z} :: x=k\pi+\arctan 2, k\in\mathbb{Z}
x = \arctan 2 + k\pi, k \in \mathbb{Z} :: x = n\pi + \frac{\pi}{2} - \arctan\frac12, n\in\mathbb{Z}
x = 60^\circ + 360^\circ k, k\in\mathbb{Z} :: x=420^\circ+360^\circ n, n\in\mathbb{Z}
x=k\pi, x=\frac{\pi}{3}+2n\pi, k,n \in\mathbb{Z} :: x=k\pi, x=\frac{\pi}{3}+2n\pi, k,n \in\mathbb{Z}

# congruences
x \equiv 2 \pmod{5} :: x\equiv 7 \pmod 5 ;; x\equiv -3 (\bmod 5) ;; x = 5k+2, k\in\mathbb{Z} ;; x\equiv 2 \mod 5
x \equiv 2 \pmod{5} :: x=5n-3, n\in\mathbb{Z}
x \equiv 2 \pmod{5} :: x \equiv 2 (mod 5) ;; 2 \pmod{5}
n \equiv 1, 4 \pmod{5} :: n\equiv 4, 1 \pmod{5} ;; n \equiv 1 \text{ or } 4 \pmod 5 ;; n\equiv \pm1 \pmod 5
n \equiv 1, 4 \pmod{5} :: n\equiv 1,-1\pmod 5
n = 3k+1, k \in \mathbb{Z} :: n\equiv 1\pmod{3} ;; n \equiv 4 \pmod 3
n \equiv 1 \pmod{2} :: n \equiv 1, 3 \pmod{4} ;; n=2k+1, k\in\mathbb{Z}
m \equiv 0 \pmod{6} :: m = 6k, k\in\mathbb{Z} ;; m\equiv 6 \pmod{6}

# constants that may be any number
y = C_1e^{2x} + C_2e^{-x} :: y=Ae^{2x}+Be^{-x} ;; y=Ae^{-x}+Be^{2x} ;; y=C_1e^{-x}+C_2e^{2x}
y = C_1e^{2x} + C_2e^{-x} :: y = c_1 e^{2x} + c_2 e^{-x}
y = Ce^{-x^2} :: y=Ae^{-x^2} ;; y(x) = ke^{-x^2} ;; y = c e^{-x^2} ;; y=Ce^{-x^2}
f(x) = kx, k \in \mathbb{R}, x \in \mathbb{R} :: f(x)=cx ;; f(x)=kx
f(x) = x^2+k, k, x \in \mathbb{R} :: f(x)=x^2+c
y = x^2 + C, x\in\mathbb{R} :: y=x^2+k ;; y=x^2+C
f(x) = tx, t\in\mathbb{R} :: f(x)=tx ;; f(x)=cx
f(x) = kx, k \in \mathbb{R}, x \in \mathbb{R} :: f(x)=kx, k,x\in\mathbb{R} ;; f(x)=cx, x\in\mathbb{R}
f(n) = kn, k\in\mathbb{R} :: f(n)=kn ;; f(n)=nc ;; f(m)=am ;; f(n)=cn, c\in\mathbb{R}
f(n) = an+b, a,b\in\mathbb{R} :: f(n)=cn+d ;; f(n)=an+b
f(x) = ax+b, a,b\in\mathbb{R} :: f(x)=ax+b ;; f(x)=cx+d ;; f(x)=mx+n, m,n\in\mathbb{R} ;; f(x)=a+bx
y = C_1\cos x + C_2 \sin x + x :: y = A\sin x + B\cos x + x ;; y=x+c_1\cos x+c_2\sin x
f(x) = cx, c \in \mathbb{R} :: f(x)=kx, k\in\mathbb{R} ;; f(x) = cx \text{ for some constant } c
f(x) = cx, c \in \mathbb{R} :: f(x)=ax, a \in \mathbb{R} ;; f(t)=ct, c\in\mathbb{R}
\sin^2 x + C :: -\cos^2 x + C ;; -\frac12\cos 2x + C ;; \sin^2x + K ;; \frac{1-\cos 2x}{2}+c
\ln|x| + C :: \ln|2x| + C ;; \ln|x|+C ;; C+\ln|x|
\frac{(x+1)^2}{2} + C :: \frac{x^2}{2}+x+C ;; \frac12x^2+x+5+C
\tan x - x + C :: C - x + \tan x
y = x^2 + C :: y=x^2+C ;; y = C + x^2 ;; y=x^2+k
\frac{1}{3}\ln|3x+1|+C :: \frac13\ln\left|x+\frac13\right|+C
\arcsin x + C :: -\arccos x + C

# functions by cases
\begin{cases} 2, & n=1 \\ 3n, & n\ge 2 \end{cases} :: \begin{cases} 3n, & n\geq 2 \\ 2, & n=1 \end{cases}
\begin{cases} 2, & n=1 \\ 3n, & n\ge 2 \end{cases} :: \left\{\begin{array}{l}2, n=1\\3n, n\geqslant 2\end{array}\right.
a_n = \left\{\begin{array}{l}2, n=1, \\ 3n, n\geqslant 2.\end{array}\right. :: a_1=2, a_n=3n (n\ge 2)
a_n = \begin{cases} 2, & n=1 \\ 3n, & n\ge 2 \end{cases} :: a_1=2, a_n=3n (n\ge 2)
a_n = \begin{cases} 2, & n=1 \\ 3n, & n\ge 2 \end{cases} :: a_1=2,\ a_n=3n \text{ for } n\geq 2
a_n = \begin{cases} 2, & n=1 \\ 3n, & n\ge 2 \end{cases} :: \begin{cases} 2, & n=1 \\ 3n, & n\ge 2 \end{cases}
\begin{cases}1,&n\text{ even}\\2,&n\text{ odd}\end{cases} :: \begin{cases}2&n\text{ is odd}\\1&n\text{ even}\end{cases}
\begin{cases} 0 & x<0 \\ 1 & \text{otherwise} \end{cases} :: \begin{cases} 1 & \text{otherwise} \\ 0 & x < 0 \end{cases}
\begin{cases} x, & x \ge 0 \\ -x, & x < 0 \end{cases} :: |x| ;; \max(x,-x) ;; \sqrt{x^2}
f(x) = \begin{cases} x-1, & x \ge 1 \\ 1-x, & x < 1 \end{cases} :: f(x)=|x-1| ;; |1-x| ;; f(t) = |t-1|
f(x) = \begin{cases} x, & x \le 2 \\ 2, & x > 2 \end{cases} :: f(x)=\min(x,2) ;; \min(2,x) ;; \frac{x+2-|x-2|}{2}
\begin{cases} 0, & x < -1 \\ x+1, & -1 \le x \le 1 \\ 2, & x > 1 \end{cases} :: \frac{|x+1|-|x-1|}{2}+1
\max(x,y) :: \frac{x+y+|x-y|}{2} ;; \max(y,x)
\min(a,b) :: \frac{a+b-|a-b|}{2}

# vectors
2\vec{i} - 3\vec{j} :: 2\mathbf{i}-3\mathbf{j} ;; -3\vec{j}+2\vec{i} ;; 2\hat{i}-3\hat{j} ;; 2i - 3j
\mathbf{i}+2\mathbf{j}-\mathbf{k} :: \vec{i}+2\vec{j}-\vec{k} ;; \hat{\imath}+2\hat{\jmath}-\hat{k}
\mathbf{i}+2\mathbf{j}-\mathbf{k} :: 2\mathbf{j}+\mathbf{i}-\mathbf{k}
2\vec{i} - 3\vec{j} :: (2,-3) ;; \langle 2,-3\rangle ;; \vec{v}=(2,-3)
\langle 2,-3\rangle :: 2i-3j ;; 2\mathbf{i}-3\mathbf{j} ;; -3\hat{j}+2\hat{i}
\mathbf{i}-\frac{1}{2}\mathbf{k} :: (1,0,-1/2) ;; \left\langle 1,0,-\frac12\right\rangle
\frac{3\vec{i}-4\vec{j}}{5} :: (3/5,-4/5) ;; (0.6,-0.8)
\frac{1}{\sqrt2}\mathbf{i}+\frac{1}{\sqrt2}\mathbf{j} :: \left(\frac{\sqrt2}{2},\frac{\sqrt2}{2}\right)
\langle 2t,t^2\rangle :: 2t\vec{i}+t^2\vec{j} ;; t(2\vec{i}+t\vec{j})
a\vec{i}+b\vec{j} :: (a,b)
one half :: 1/2 ;; 0.5 ;; half ;; one-half ;; a half
\frac{2}{3} :: two thirds ;; two-thirds ;; Two thirds
\text{three quarters} :: 3/4 ;; 0.75 ;; three fourths
\frac{1}{8} :: an eighth ;; one eighth
\overrightarrow{AM} = \frac{1}{3}\vec{a} + \frac{2}{3}\vec{b} :: \frac13(\vec a+2\vec b)
\overrightarrow{AM} = \frac{1}{3}\vec{a} + \frac{2}{3}\vec{b} :: \frac{1}{3}\vec{a}+\frac{2}{3}\vec{b}
\vec{c} = 2\vec{a} - \vec{b} :: 2\vec{a}-\vec{b} ;; \vec c=-\vec b+2\vec a
\overrightarrow{A B} :: \overrightarrow{AB}

# numbers in words
three :: 3 ;; Three ;; \text{three}
7 :: seven ;; \text{Seven} ;; The answer is seven.
\text{twenty-one} :: 21 ;; twenty-one
0 :: zero
100 :: one hundred

# labels of extreme values
maximum value 7, minimum value 2 :: \max = 7, \min = 2 ;; minimum 2, maximum 7 ;; \text{max}=7,\ \text{min}=2
maximum value 7, minimum value 2 :: the maximum is 7 and the minimum is 2
\text{maximum } 4, \text{ minimum } -4 :: max: 4, min: -4 ;; y_{\max}=4, y_{\min}=-4
\text{maximum value } 9 :: 9 ;; max = 9

# angles
\angle PQR :: \angle RQP ;; \angle P Q R
\angle A B C :: \angle CBA

# distances
|x-3|<4 :: -1<x<7 ;; (-1,7) ;; x \in (-1,7)
|2x-1| \le 5 :: -2\le x\le 3 ;; [-2,3] ;; |x-\frac12|\le\frac52
-1<x<7 :: |x-3|<4
|x+2|>1 :: x<-3 \text{ or } x>-1 ;; (-\infty,-3)\cup(-1,\infty)
|3-x| \ge 2 :: (-\infty,1]\cup[5,\infty)

# verdicts
\text{No} :: No, it is not possible. ;; No, it cannot. ;; no
\text{Yes, it is possible} :: Yes ;; yes.
No, they are not. :: No ;; \text{No}

# base ten
27_{10} :: 27 ;; 27_{10}
27 :: 27_{10} ;; 27_{\text{ten}}

# several functions
f(x) = 0 \text{ and } f(x) = 2x :: f(x)=2x \text{ or } f(x)\equiv 0 ;; f(x)\equiv 0, f(x) = 2x
f(x) = 0 \text{ for all } x :: f(x) \equiv 0 \text{ for all } x ;; f(x)=0 ;; f(x)\equiv 0
f(x) \equiv 1 \text{ or } f(x) = x :: f(x)=x, f(x)=1

# more of each kind
S_{\triangle A B C}=\frac{1}{2} \times 4 \times 3=6 :: 6
V=\frac{1}{3} \times 9 \times 4=12 \mathrm{~cm}^{3} :: 12 ;; 12\text{ cm}^3 ;; V = 12
x=\frac{k \pi}{2}+\frac{\pi}{8}(k \in \mathbf{Z}) :: x = \frac{\pi}{8}+\frac{k\pi}{2}, k\in\mathbb{Z}
(-\infty, 0] \cup [2,+\infty) :: x \le 0 \text{ or } x\ge 2
\{x|x \in R, x \neq 1\} :: x\ne 1 ;; (-\infty,1)\cup(1,\infty)
m \in \mathbf{R} :: \mathbb{R} ;; m\in\mathbb{R}
y=\ln x+C :: y = \ln x + C
y^2 = 2x + C :: y^2=2x+C
y = \frac{1}{x+C} :: y=\frac{1}{x+k} ;; y = \frac{1}{C+x}
e^x(x-1)+C :: xe^x - e^x + C ;; (x-1)e^x + C
f^{-1}(x) = \frac{x-1}{2} :: \frac{x-1}{2} ;; f^{-1}(x)=\frac{x}{2}-\frac12
a=2, b=3 ; c=5 :: a=2,b=3,c=5
C(0,3) :: (0,3) ;; C = (0,3)
(2,0) :: x=2,y=0 ;; P(2,0)
F_1(-1,0), F_2(1,0) :: F_1(-1,0) \text{ and } F_2(1,0)
①③ :: ①, ③ ;; \text{①③}
AC :: A, C
B, C, D :: BCD ;; \text{BCD} ;; B,C,D
\text{No solution} :: \text{no solution} ;; \text{There is no solution.} ;; \emptyset
\text{There are no real solutions.} :: \text{no real solutions}
\text{Does not exist} :: DNE
1: \sqrt{2}: \sqrt{3} :: 1:\sqrt2:\sqrt3 ;; \sqrt2:2:\sqrt6
x : y : z = 1 : 2 : 3 :: x:y:z=1:2:3 ;; 1:2:3
2 \mathrm{~m} / \mathrm{s}^{2} :: 2\ \mathrm{m\cdot s^{-2}} ;; 2 m/s^2
0.5 \mathrm{~mol} \cdot \mathrm{L}^{-1} :: 0.5 mol/L ;; 0.5\ \mathrm{mol\cdot L^{-1}}
36^{\circ} 52^{\prime} :: 36^\circ 52'
105^{\circ} :: 105^\circ ;; 105 degrees ;; \frac{7\pi}{12} \text{ rad}
x \equiv 23 \pmod{30} :: 23 \pmod{30} ;; x = 30k + 23, k\in\mathbb{Z} ;; x=30k+23 \text{ for integer } k
x \equiv 23 \pmod{30} :: x \equiv -7 \pmod{30}
y=-x^{2}+4 x-3 :: y = -(x-2)^2+1
|x+1|<3 :: -4<x<2
\frac{d y}{d x}=\frac{2 x-y}{x+2 y} :: \frac{2x-y}{x+2y} ;; y' = \frac{2x-y}{x+2y}
y^{\prime}=2 x \cos x-x^{2} \sin x :: 2x\cos x - x^2\sin x
f^{\prime \prime}(x)=12 x :: 12x
\frac{\partial f}{\partial x} = 2xy :: 2xy
\overrightarrow{A B}=(1,2) :: (1,2) ;; \overrightarrow{AB} = (1,2)
two :: 2 ;; \text{two}
\text{maximum: } 3, \text{ minimum: } -1 :: \max = 3, \min=-1 ;; \text{maximum } 3, \text{ minimum } -1
\text{maximum value is } 2, \text{ minimum value is } -2 :: maximum 2, minimum -2
\text{Yes, it is.} :: Yes
\text{not possible} :: not possible
f(x)=0 \text{ for all } x :: f(x)=0 ;; f(x)\equiv 0 ;; f(x) \equiv 0 \text{ for all } x
f(x) = x \text{ and } f(x) = -x :: f(x)=\pm x ;; f(x)=x, f(x)=-x
f(x) = c \text{ or } f(x) = x :: f(x)=x, f(x)=c
f(x)=ax+b, a,b\in\mathbb{R} :: f(x)=ax+b
(n, n+1), n \in \mathbb{N} :: (k,k+1), k\in\mathbb{N}
n = 4k+2, k\in\mathbb{N} :: n=4m+2, m\in\mathbb{N}
x = k \cdot 360^\circ + 30^\circ, k\in\mathbb{Z} :: x=30^\circ+360^\circ n, n\in\mathbb{Z}
\theta = \frac{\pi}{4} + n\pi, \text{ where } n \text{ is an integer} :: \theta=\frac{\pi}{4}+k\pi, k\in\mathbb{Z}
\theta = \frac{\pi}{4} + n\pi, \text{ where } n \text{ is an integer} :: \frac{\pi}{4}+k\pi, k\in\mathbb{Z}

# solutions of systems, a line for each name
\left\{\begin{array}{l}x=2 \\ y=-1\end{array}\right. :: (2,-1) ;; x=2, y=-1 ;; y=-1, x=2 ;; (x,y)=(2,-1)
\left\{\begin{array}{l}x=2 \\ y=-1\end{array}\right. :: \begin{cases} x=2 \\ y=-1 \end{cases} ;; x=2 \text{ and } y=-1
\left\{\begin{array}{l}x=2 \\ y=-1\end{array}\right. :: \left\{\begin{array}{l} y=-1, \\ x = 2 \end{array}\right.
\left\{\begin{array}{l}x=2 \\ y=-1\end{array}\right. :: \left\{ \begin{array}{c} x=2 \\ y=-1 \end{array} \right.
\begin{cases} x=2 \\ y=-1 \end{cases} :: (2,-1) ;; x=2,y=-1
\begin{cases} x=2, \\ y=-1. \end{cases} :: (2,-1) ;; x=2,y=-1
(2,-1) :: \left\{\begin{array}{l}x=2 \\ y=-1\end{array}\right. ;; \begin{cases} x=2 \\ y=-1 \end{cases}
(2,-1) :: \begin{aligned} x&=2\\y&=-1\end{aligned} ;; \left\{\begin{array}{l}x=2, \\ y=-1.\end{array}\right.
(2,-1) :: \begin{cases} x &= 2 \\ y &= -1 \end{cases}
(2,-1) :: \left\{\begin{array}{rcl} x & = & 2 \\ y & = & -1 \end{array}\right.
x=2, y=-1 :: \left\{\begin{array}{l}x=2 \\ y=-1\end{array}\right.
x=2, y=-1 :: \left\{\begin{array}{l}y=-1 \\ x=2\end{array}\right. ;; \begin{cases} x=2 \\ y=-1 \end{cases}
x=2, y=-1 :: \begin{aligned} x&=2\\y&=-1\end{aligned} ;; \begin{cases} x &= 2 \\ y &= -1 \end{cases}
\left\{\begin{array}{l}x=\frac{1}{2} \\ y=3 \\ z=0\end{array}\right. :: (0.5,3,0) ;; x=1/2, y=3, z=0
\begin{cases} x=1 \\ y=2\end{cases} \text{ or } \begin{cases} x=2 \\ y=1 \end{cases} :: (1,2),(2,1)
\begin{cases} x=1 \\ y=2\end{cases} \text{ or } \begin{cases} x=2 \\ y=1 \end{cases} :: (1,2) \text{ or } (2,1)
\begin{cases} x=1 \\ y=2\end{cases} \text{ or } \begin{cases} x=2 \\ y=1 \end{cases} :: (2,1) \text{ and } (1,2)
\begin{cases} x=1 \\ y=2\end{cases} \text{ or } \begin{cases} x=2 \\ y=1 \end{cases} :: x=1,y=2 \text{ or } x=2,y=1
\left\{\begin{array}{l}x=1 \\ y=2\end{array}\right., \left\{\begin{array}{l}x=2 \\ y=1\end{array}\right. :: (1,2),(2,1)
\begin{cases}x_1=1\\y_1=2\end{cases}\begin{cases}x_2=2\\y_2=1\end{cases} :: (1,2),(2,1)
(1,2),(2,1) :: \begin{cases} x=1 \\ y=2\end{cases} \text{ or } \begin{cases} x=2 \\ y=1 \end{cases}
(1,2),(2,1) :: \begin{cases} x=1 \\ y=2 \end{cases} \text{ and } \begin{cases} x=2 \\ y=1 \end{cases}
\left\{\begin{array}{l}a=3, \\ b=-2 ;\end{array}\right. :: a=3, b=-2 ;; (3,-2)
\left\{\begin{array}{l}x=2+t \\ y=1-t\end{array}\right. :: x=2+t, y=1-t
(2,-1) :: \left\{\begin{aligned} x &= 2, \\ y &= -1, \end{aligned}\right. ;; \begin{array}{l}x=2 \\ y=-1\end{array}
(2,-1) :: \begin{cases} x = 2 \\[2mm] y=-1 \end{cases} ;; $\left\{\begin{array}{l}x=2 \\ y=-1\end{array}\right.$
(2,-1) :: \left\{\begin{matrix} x=2\\ y=-1\end{matrix}\right.
(2,-1) :: \left\{ \begin{aligned} x = 2 \\ y = -1 \end{aligned} \right.
(2,-1) :: \left\{\begin{cases}x=2\\y=-1\end{cases}\right. ;; \boxed{\begin{cases}x=2\\y=-1\end{cases}}
(2,-1) :: \begin{cases}x=2,\\ y=-1;\end{cases} ;; \begin{align*}x&=2\\y&=-1\end{align*}
(2,-1) :: \text{The solution is }\begin{cases}x=2\\y=-1\end{cases} ;; \begin{gathered}x=2\\y=-1\end{gathered}
\left\{\begin{array} { l } { x = 2 , } \\ { y = - 1 } \end{array} \right. :: (2,-1) ;; x=2,y=-1
\left\{\begin{array}{l}x=2 \\ y=-1\end{array}\right. :: (x, y)=(2,-1) ;; \left(2,-1\right) ;; \{(2,-1)\}
\left\{\begin{array}{l}x=\frac{3}{2} \\ y=\sqrt{2}\end{array}\right. :: (1.5,\sqrt2) ;; x=3/2, y=\sqrt{2}
\begin{cases} x_1 = 1 \\ x_2 = -2 \\ x_3 = 0\end{cases} :: (1,-2,0) ;; x_1=1,x_2=-2,x_3=0

# equations with sums and integrals
S = \sum_{k=1}^n (1+k) :: S = \sum_{k=1}^n (k+1) ;; S = \sum_{j=1}^n (1+j) ;; S = \sum_{k=1}^{n} (1+k)
\int_0^a x dx = 8 :: \int_0^a x\,dx = 8 ;; \int_{0}^{a} x dx = 8

# computations without a name
\binom{12}{3}=220 :: 220 ;; \binom{12}{3} ;; \binom{12}{3} = 220 ;; 220.0
3 \cdot 4 = 12 :: 12 ;; 3\cdot4=12 ;; 3 \times 4
\frac{C_4^2}{C_{10}^2}=\frac{2}{15} :: \frac{2}{15} ;; 2/15
2^{10}=1024 :: 1024 ;; 1{,}024
5! = 120 :: 120
\frac{6}{36}=\frac{1}{6} :: \frac16 ;; 1/6 ;; \frac{6}{36}
\frac{3}{5} \cdot \frac{2}{4}=\frac{6}{20}=\frac{3}{10} :: 0.3 ;; \frac{3}{10}
1+2+\cdots+100=5050 :: 5050
\int_0^1 x\,dx = \frac12 :: \frac12 ;; 0.5
\sum_{k=1}^{10} k = 55 :: 55
\sqrt{50}=5\sqrt{2} :: 5\sqrt2 ;; \sqrt{50}
10 \cdot 9=90 \text{ ways} :: 90
3 \cdot 4 = 12 \mathrm{~cm}^2 :: 12 ;; 12\text{ cm}^2
\sin 30^\circ = \frac12 :: \frac12
C_5^2=10 :: 10
P_5^2 = 20 :: 20
A_5^2 = 20 :: 20
\frac{1}{6}+\frac{1}{3}=\frac{1}{2} :: 0.5 ;; \frac12
4! \cdot 3! = 144 :: 144
\frac{4!}{2!2!}=6 :: 6
\binom{5}{2}\binom{4}{1}=40 :: 40
\binom{5}{2} \cdot \binom{4}{1}=40 :: 40
2^5 - 1 = 31 :: 31
9 \times 9 \times 8=648 :: 648
\gcd(12,18)=6 :: 6
\sqrt{3^2+4^2}=5 :: 5
45^\circ + 45^\circ = 90^\circ :: 90^\circ ;; 90
180^\circ-60^\circ=120^\circ :: 120^\circ
1-\frac{1}{4}=\frac{3}{4}=0.75 :: \frac34 ;; 0.75
C_{5}^{2} C_{4}^{1}=40 :: 40
A_4^2 \cdot 3=36 :: 36
\frac{\mathrm{C}_{4}^{2}}{\mathrm{C}_{10}^{2}}=\frac{2}{15} :: \frac{2}{15}
2\sqrt{3} \times \sqrt{3} = 6 :: 6
60 \div 5 = 12 :: 12
60 / 5 = 12 \text{ apples} :: 12 ;; 12 apples
100 \times 5\% = 5 :: 5
(5+3) \times 2=16 :: 16
x = 2 \cdot 3 = 6 :: 6
\frac{15}{50}=30\% :: 30\% ;; 30 percent
P(A)=30\% :: 30\% ;; P(A)=30\%
p = 30\% :: 30\%
20\%, 30\% :: 30\%, 20\%

# solutions with indices
x_{1}=2, y_{1}=3 ; x_{2}=3, y_{2}=2 :: (2,3),(3,2) ;; (2,3) \text{ and } (3,2) ;; (3,2),(2,3) ;; \{(2,3),(3,2)\}
x_{1}=2, y_{1}=3 ; x_{2}=3, y_{2}=2 :: x=2,y=3 \text{ or } x=3,y=2 ;; x_1=2,y_1=3,x_2=3,y_2=2 ;; (x,y)=(2,3),(3,2)
(2,3),(3,2) :: x_{1}=2, y_{1}=3 ; x_{2}=3, y_{2}=2 ;; x_1=3, y_1=2, x_2=2, y_2=3 ;; (x_1,y_1)=(2,3), (x_2,y_2)=(3,2)
(x_1,y_1)=(2,3), (x_2,y_2)=(3,2) :: (2,3),(3,2)
x_1 = 2, x_2 = 3 :: 2, 3 ;; 3,2 ;; x=2,3
2, 3 :: x_1 = 2, x_2 = 3
x_{1}=1, y_{1}=2, z_{1}=3 ; x_{2}=3, y_{2}=2, z_{2}=1 :: (1,2,3),(3,2,1)
x_1=1, x_2=2, y_1=3, y_2=4 :: (1,3),(2,4)
x_{1}=0, y_{1}=0 ; x_{2}=1, y_{2}=1 ; x_{3}=2, y_{3}=4 :: (0,0),(1,1),(2,4)
x_{1,2} = \pm 3 :: \pm 3 ;; 3, -3 ;; x = \pm 3
x_1=2, y_1=3 \text{ or } x_2=3, y_2=2 :: (2,3),(3,2)
x_{1}=2,\ y_{1}=3;\quad x_{2}=3,\ y_{2}=2 :: (2,3) \text{ or } (3,2)
x_1 = y_1 = 2, x_2 = y_2 = 3 :: (2,2),(3,3)
z_1=1+i, z_2=1-i :: 1\pm i
(x_1;y_1)=(2;3), (x_2;y_2)=(3;2) :: (2,3),(3,2)
(2,3),(3,2) :: (x_1,y_1)=(2,3) \text{ and } (x_2,y_2)=(3,2) ;; x_1=2,y_1=3 \text{ and } x_2=3,y_2=2
\left(x_{1}, y_{1}\right)=(1,2),\left(x_{2}, y_{2}\right)=(2,1) :: (1,2),(2,1)

# letters with what stands behind them
B :: B.\ \frac{1}{2} ;; B: 12 ;; \text{(B) } 12 ;; B) 12 ;; (B) 12 ;; B. 12 ;; (B). 12 ;; \textbf{(B)}\ 12 ;; B. x^2+1
B :: \text{B. } 12 ;; B.12 ;; \mathrm{B}. \sqrt{2} ;; B. 12 cm ;; B. [1,2) ;; B. -3
B. 12 :: B ;; (B) ;; (B) 12 ;; B) 12 ;; B. 12
(B) 12 :: B ;; B. 12 ;; B: 12 ;; 12
\text{B. } \frac{1}{2} :: B
\mathrm{(B)}\ \frac{1}{2} :: B ;; B.\ 0.5
B :: Option B. 12 ;; The answer is B. 12 ;; B. $12$ ;; $\textbf{(B) } \frac{1}{2}$ ;; (B)\ 12 ;; \boxed{B. 12}
B :: \boxed{\text{B}. 12} ;; **B.** 12 ;; B. 50\% ;; B. 30^\circ ;; B. \$5 ;; B. (-\infty, 2) ;; B. \{1,2\} ;; B. 3 cm
B :: B. 12 \text{ cm} ;; B. y=2x+1 ;; B. \sqrt{3} ;; B. \frac{\pi}{2} ;; B. x>2 ;; B. 3+4i ;; B. 1,024
B :: \textbf{B.} 12 ;; \textbf{B) } 12 ;; \text{B) } \frac{1}{2} ;; B. \sin x ;; B. 2\pi r ;; B: \frac{1}{2}
B :: B: $12$ ;; B.\quad 12
\text{B. } 12 :: B ;; \text{B}
\text{(B) } 12 :: B ;; B. 12
\textbf{(B)}\ \frac{1}{2} :: B: 0.5 ;; B

# constants declared in words
f(x)=k x, where $k$ is an arbitrary constant :: f(x)=cx\text{ for any constant }c ;; f(x)=kx ;; f(x) = cx
f(x)=k x, where $k$ is an arbitrary constant :: f(x)=cx, c \in \mathbb{R} ;; f(x)=ax (a\in\mathbb{R})
f(x)=k x, where $k$ is an arbitrary constant :: f(x) = cx \text{ for all real } c ;; f(x)=cx, where c is a constant
f(x)=cx \text{ for any constant } c :: f(x)=kx, where k is an arbitrary constant ;; f(x)=kx
f(x)=cx \text{ for any constant } c :: f(x)=kx\ (k \in \mathbb{R})
f(x)=cx, \text{ where $c$ is a real constant} :: f(x)=kx, k\in\mathbb{R}
f(x)=cx, \text{ where $c$ is a real constant} :: f(x)=kx, \text{ for some } k \in \mathbb{R}
f(x)=cx, \text{ where $c$ is a real constant} :: f(x) = kx \text{ for any real number } k
f(x)=cx, \text{ where $c$ is a real constant} :: f(x)=kx, where k is any real number
y = Ce^x, where C is a constant :: y=Ce^x ;; y=Ae^x ;; y = ke^x, where k is an arbitrary constant
y = Ce^x :: y = Ce^x, where C is a constant ;; y=Ae^x, \text{ where } A \text{ is an arbitrary constant}
y = Ce^x :: y=Ae^x \text{ for any constant } A ;; y=Ae^x (A \in \mathbb{R})
f(x)=x+c (c \in \mathbb{R}) :: f(x)=x+k ;; f(x)=x+c, c\in\mathbb{R} ;; f(x)=x+a \text{ for all real } a
f(x)=x+c (c \in \mathbb{R}) :: f(x)=x+a \text{ for real constants } a
f(x)=ax+b \text{ where } a, b \text{ are real constants} :: f(x)=ax+b ;; f(x)=mx+n
f(x)=ax+b \text{ where } a, b \text{ are real constants} :: f(x)=ax+b \text{ for any constants } a \text{ and } b
f(x)=ax+b \text{ where } a, b \text{ are real constants} :: f(x)=mx+n, m,n \in \mathbb{R}
f(x)=ax+b \text{ where } a, b \text{ are real constants} :: f(x)=ax+b, where a and b are arbitrary constants
\frac{x^3}{3}+C, where C is a constant :: \frac{x^3}{3}+C ;; \frac13x^3+C
\frac{x^3}{3}+C :: \frac{x^3}{3}+C, \text{ where } C \text{ is an arbitrary constant}
\frac{x^3}{3}+C :: \frac{x^3}{3}+C \text{ where } $C$ \text{ is the constant of integration}
\frac{x^3}{3}+C :: \frac13x^3+C, C \in \mathbb{R}
y=C_1e^x+C_2e^{-x}, \text{ where } C_1, C_2 \text{ are arbitrary constants} :: y=C_1e^x+C_2e^{-x} ;; y=Ae^x+Be^{-x}
y=C_1e^x+C_2e^{-x} :: y=Ae^x+Be^{-x}, \text{ where } A, B \text{ are arbitrary constants}
y=C_1e^x+C_2e^{-x} :: y=Ae^x+Be^{-x} \text{ for constants } A \text{ and } B
f(x)=cx, where c is any real number :: f(x) = cx \text{ for all } c \in \mathbb{R}
f(x)=cx, where c is any real number :: f(x)=cx\ \forall c \in \mathbb{R} ;; f(x)=kx, k=\text{const}
f(x)=cx, where c is any real number :: f(x)=kx (k \text{ is a real constant})
f(x)=cx, where c is any real number :: f(x)=kx \text{ for all real values of } k ;; f(x)=c x, c arbitrary
f(x)=cx, where c is any real number :: f(x)=cx, \text{ with } c \text{ real}
f(x)=kx, where k is any real constant :: f(x) = cx, with c a real constant ;; f(x) = cx for some real constant c
f(x)=kx, where k is any real constant :: f(x) = cx, c a constant ;; f(x)=cx (where c is a constant)
f(x)=kx, where k is any real constant :: f(x)=cx, c is any real ;; f(x)=cx, where c is some constant
f(x)=kx, where k is any real constant :: f(x)=cx, \text{ where } c \in \mathbb{R} \text{ is a constant}
f(x)=kx, where k is any real constant :: f(x)=cx, where c \in \mathbb{R} is arbitrary
f(x)=kx, where k is any real constant :: f(x)=cx with a constant c ;; f(x)=cx, c ∈ ℝ
f(x)=kx, where k is any real constant :: f(x)=cx, where c denotes an arbitrary constant ;; f(x)=cx, c being a constant
f(x)=kx, where k is any real constant :: f(x) = cx for c\in\mathbb{R} ;; $f(x)=cx$ where $c$ is constant
f(x)=kx, where k is any real constant :: f(x)=cx \text{ for all } x, \text{ where } c \text{ is a constant}
f(x)=kx, where k is any real constant :: f(x)=cx \text{ for all } x \in \mathbb{R} \text{ and some constant } c
f(x)=kx, where k is any real constant :: f(x)=c x\text{ where }c\text{ is any real number}
f(x)=kx, where k is any real constant :: f(x)=cx, where c is a real number
f(x)=kx, where k is any real constant :: f(x) = cx, where c is an arbitrary constant.
f(x)=kx, where k is any real constant :: f(x)=cx for any c \in \mathbb{R}
""")
