"""Wrong answers beside the forms of `labelled_right_data_sets`: category -> list of (answer, gold). All are refused."""

from __future__ import annotations

from tests.rewards.math.labelled import table

WRONG_DATA_SETS = table(r"""
# names of a sum that a contest asks for, and of an eccentricity
m+n=53 :: 52 ;; m=53 ;; m-n=53 ;; m+n ;; a+b+c=53
53 :: m+n=52 ;; 2m+n=53 ;; m-n=53 ;; m+m=53 ;; m+1=53 ;; mn+1=53 ;; x+y=53 ;; m+n=53+k ;; e+f=53 ;; 2x=53
x+y=5 :: 5
i+j=5 :: 5
e=\frac{\sqrt{5}}{2} :: e ;; \sqrt5 ;; e=\sqrt{5}
e :: e=2 ;; 2
# names of functions and derivatives
y = Ce^{3x} :: y(x) = Ce^{2x} ;; y'(x)=Ce^{3x} ;; Ce^{3x} ;; x(y)=Ce^{3x} ;; y(t)=Ce^{3x} ;; yx = Ce^{3x}
y = x+1 :: yx = x+1 ;; y(x)=x-1 ;; y' = x+1 ;; y''=x+1 ;; x+1
y(x) = x^2+1 :: x = y^2+1 ;; z = x^2+1 ;; y = t^2+1
y' = \frac{1}{x} :: y = \frac1x ;; y''=\frac1x ;; \frac{dx}{dy}=\frac1x ;; x ;; y'=-\frac1x ;; \frac{d^2y}{dx^2}=\frac1x
\frac{dy}{dx} = 3x^2 :: \frac{dx}{dy}=3x^2 ;; y=3x^2 ;; \frac{y}{x}=3x^2 ;; \frac{dy}{dt}=3x^2 ;; 3x
\frac{dy}{dx} = 3x^2 :: \frac{dz}{dx}=3x^2
f^{\prime}(x) = 2x :: f(x)=2x ;; f''(x)=2x ;; g'(x)=2x ;; f'(x)=2 ;; f'(2)=2x
\frac{\partial z}{\partial x} = 2x+y :: \frac{\partial z}{\partial y} = 2x+y ;; \frac{dz}{dy}=2x+y ;; x+2y ;; z=2x+y
\frac{dx}{dt} = 3 :: \frac{dt}{dx} = 3 ;; \frac13 ;; x = 3
\frac{dy}{dx} = \frac{y}{x} :: \frac{y}{x}=\frac{y}{x} ;; \frac{dy}{dx}=\frac{dy}{dx} ;; \frac{x}{y} ;; \frac{dy}{dx}

# golds that show their steps
S = \frac{1}{2} \cdot 5 \cdot 4 = 10 :: 20 ;; 5 ;; S=20 ;; V=10 ;; \frac12 \cdot 5 = 10 ;; 10 or 20
P = \frac{C_3^2}{C_5^2} = \frac{3}{10} :: \frac{10}{3} ;; 3 ;; 10 ;; P=\frac{1}{10}
P = \frac{C_3^2}{C_5^2} = \frac{3}{10} :: \frac{C_3^2}{C_5^2} = \frac{1}{10}
S = \int_0^1 x dx = \frac{1}{2} :: 1 ;; 2 ;; V=\frac12 ;; \frac{1}{3}
AB = BC = 12 :: 13 ;; AB=12
a_n = 2 + 3(n-1) = 3n-1 :: 3n+1 ;; 2 ;; b_n=3n-1
V = 12 \text{ cm}^3 :: 12 cm^2 ;; 12 m^3 ;; 13 cm^3 ;; S = 12 cm^3 ;; cm^3
V = \frac{1}{3} \cdot 9 \cdot 4 = 12 \mathrm{~cm}^3 :: 12 cm^2 ;; 12 m^3 ;; 36 cm^3 ;; 4
S = 3 \cdot 4 = 13 :: 13 ;; 12
x = 2y = 6 :: 6 ;; 3

# all real numbers
x \in \mathbf{R} :: x \in \mathbf{Z} ;; \mathbf{R}\setminus\{0\} ;; x>0 ;; R ;; \mathbf{N} ;; x \in Q
x \in \mathbf{R} :: [-\infty,\infty] ;; y
\text{All real numbers} :: all integers ;; all real numbers except 0 ;; no real numbers ;; all positive real numbers
\text{All real numbers} :: real
x = k\pi, k \in \mathbf{Z} :: x=k\pi, k\in\mathbf{N} ;; x=2k\pi, k\in Z ;; x=k\pi(k\in\mathbf{R}) ;; x = k\pi
x = k\pi, k \in \mathbf{Z} :: x=k\pi(n\in Z)
x = 2k\pi(k \in Z) :: x=2k\pi(k\in N) ;; x=k\pi(k\in Z) ;; x=2k(k\in Z)

# no solution
\text{No real solutions} :: no solution ;; no integer solutions ;; 0 ;; \{0\} ;; \mathbb{R} ;; real solutions
\emptyset :: no real solutions ;; none of them ;; DNE ;; does not exist ;; no integer solutions
\text{DNE} :: 0 ;; \infty ;; undefined ;; exists ;; does exist ;; no solution ;; \emptyset ;; D ;; DN
\text{undefined} :: DNE ;; 0 ;; defined ;; does not exist ;; \frac{1}{0}

# points with names
B(-1,4) :: (4,-1) ;; A(-1,4) ;; B(1,4) ;; C = (-1,4) ;; B ;; (-1,4,0) ;; B(-1,4), C(1,1) ;; f(-1,4) ;; -1,4
\text{Focus }\left(0,\frac14\right) :: \text{Vertex }(0,\frac14) ;; (\frac14,0) ;; (0,4) ;; \text{Focus }(0,4)
(2,3) :: f(2,3) ;; 2(2,3) ;; A(3,2) ;; \text{not }(2,3) ;; Focus (3,2) ;; A(2,3), B(2,3)
B(-1,4) :: x\in(-1,4) ;; -1<x<4 ;; [-1,4]
-1 < x < 4 :: the point (-1,4) ;; A(-1,4) ;; \text{Point }(-1,4)
A(1,2), B(3,4) :: A(3,4), B(1,2) ;; (1,2) ;; A(1,2) ;; A(1,2), C(3,4) ;; \text{A or B}
(10,3) :: C(10,3)
(\pm 5, 0) :: (5,0) ;; (0,5),(0,-5) ;; (5,0),(5,0) ;; \pm 5 ;; (0, \pm 5) ;; (5,0,-5,0)
(\pm 1, \pm 2) :: (1,2),(-1,-2) ;; (1,2),(-1,2)
C(10,3) :: (10,3) ;; 30 ;; C(3,10)

# choices of several letters
ABD :: A, B ;; AB ;; A, B, C ;; BAD ;; A, B, D, D ;; ABDE ;; A ;; A or B or D ;; (A)(B) ;; A, B, D, E
BC :: B or C ;; CB ;; B ;; C ;; B, C, D ;; BCD ;; B, B, C
A, C :: CA ;; ACD ;; A, D ;; A or C
\text{①②④} :: ①② ;; ①②③ ;; 1, 2, 4 ;; 124 ;; ④②① ;; ①②④⑤ ;; ①
②③ :: ②④ ;; 23 ;; ③② ;; ②, ③, ④

# ratios
2:3 :: 3 to 2 ;; 2 to 4 ;; 5 ;; \frac32 ;; -2:-3 ;; 2 to 3 to 4 ;; 2:x
10 \text{ to } 20 :: 1 to 2 ;; 1:2 ;; 10 ;; 20 to 10
x:y:z = 1:2:3 :: 1:3:2 ;; x:z:y=1:2:3 ;; 1:2 ;; a:b:c=1:2:3 ;; 6
1:2:\sqrt{3} :: 1:\sqrt3:2 ;; 2:4:\sqrt{3} ;; 1:2:3 ;; 1:2:1.732 ;; 1:2 ;; \sqrt3:2:1 ;; 0:0:0
\sqrt{2}:1 :: 1:\sqrt2 ;; 2:1 ;; 1.41421356:1
12:30 :: 12 to 30

# units with exponents
5 \text{ m/s} :: 5\ \mathrm{m\,s} ;; 5\ \mathrm{m\,s^{-2}} ;; 5\ \mathrm{s\,m^{-1}} ;; 5\ \mathrm{km\,s^{-1}}
5 \text{ m/s} :: 5\text{ m}^{-1} ;; 5 m^{-1} s
1000\ \mathrm{kg\,m^{-3}} :: 1000\ \mathrm{kg\,m^{-2}} ;; 1000\ \mathrm{g\,m^{-3}} ;; 1 kg/m^3 ;; 1000\ \mathrm{kg\,m^3}
9.8 \text{ m/s}^2 :: 9.8\ \mathrm{m\,s^{-1}} ;; 9.8\ \mathrm{m\,s^{2}} ;; 98\ \mathrm{m\,s^{-2}}

# degrees, minutes and seconds
37.5^\circ :: 37^\circ 50' ;; 37^\circ 5' ;; 37^\circ 30'' ;; 38^\circ 30' ;; 37^\circ 90' ;; 37' 30'' ;; -37^\circ 30'
12^\circ 15' 36'' :: 12^\circ 36' 15'' ;; 12.15^\circ ;; 12.26' ;; 12^\circ 15' ;; 12.1536^\circ
22^\circ 30' :: 22.3^\circ ;; 22^\circ ;; 22 ;; 22.30 ;; 30^\circ 22'

# sets of tuples
\{(0,2),(3,4)\} :: (0,2) ;; (0,2),(4,3) ;; \{0,2,3,4\} ;; (0,2,3,4) ;; (0,2),(3,4),(1,1) ;; (0,2),(0,2) ;; ((0,2),(3,4))
\{1,2\} :: 1,2

# families of numbers
\{x \mid x = 2k\pi, k \in \mathbb{Z}\} :: \{n\pi : n \in \mathbb{Z}\} ;; \{2n\pi : n\in\mathbb{N}\} ;; \{2n\pi\}
\{x \mid x = 2k\pi, k \in \mathbb{Z}\} :: \{2n\pi : k\in\mathbb{Z}\} ;; 2\pi
x = \frac{k\pi}{2}, k \in \mathbb{Z} :: x=k\pi, k\in\mathbb{Z} ;; x=\frac{\pi}{2}+k\pi, k\in\mathbb{Z}
x = \frac{k\pi}{2}, k \in \mathbb{Z} :: x=k\pi \text{ or } x=\frac{\pi}{2}+2k\pi, k\in\mathbb{Z}
x = \frac{k\pi}{2}, k \in \mathbb{Z} :: x=\frac{k\pi}{4}, k\in\mathbb{Z}
x = \frac{k\pi}{2}, k \in \mathbb{Z} :: x=k\pi \text{ or } y=\frac{\pi}{2}+k\pi, k\in\mathbb{Z}
x = \frac{k\pi}{2}, k \in \mathbb{Z} :: x=\frac{k\pi}{2}+\frac{\pi}{10^{30}}, k\in\mathbb{Z}
x = \frac{k\pi}{2}, k \in \mathbb{Z} :: x=1.5707963k, k\in\mathbb{Z}
x = (-1)^k \frac{\pi}{6} + k\pi, k\in\mathbb{Z} :: x=\frac{\pi}{6}+2k\pi, k\in\mathbb{Z}
x = (-1)^k \frac{\pi}{6} + k\pi, k\in\mathbb{Z} :: x=\pm\frac{\pi}{6}+k\pi, k\in\mathbb{Z}
x = (-1)^k \frac{\pi}{6} + k\pi, k\in\mathbb{Z} :: x=(-1)^{k+1}\frac{\pi}{6}+k\pi, k\in\mathbb{Z}
x = 2k+1, k\in\mathbb{Z} :: x=2k, k\in\mathbb{Z} ;; x=4k+1, k\in\mathbb{Z} ;; x=k+1, k\in\mathbb{Z}
x = 2k+1, k\in\mathbb{Z} :: x=2k^2+1, k\in\mathbb{Z} ;; x=2k+1 ;; y=2k+1, k\in\mathbb{Z}
x = 2k+1, k\in\mathbb{Z} :: x=2k+1+k(k-1)(k-2)(k+1), k\in\mathbb{Z} ;; x=2k+1+\sin(\pi k), k\in\mathbb{Z}
x = 2k+1, k\in\mathbb{Z} :: x = 2k+1, x=2, k\in\mathbb{Z}
x = \frac{\pi}{4} + k\pi, k\in\mathbb{Z} :: x=\frac{\pi}{4}+2k\pi, k\in\mathbb{Z}
x = \frac{\pi}{4} + k\pi, k\in\mathbb{Z} :: x=-\frac{\pi}{4}+k\pi, k\in\mathbb{Z} ;; x=\frac{\pi}{4}+k, k\in\mathbb{Z}
x = 60^\circ + 360^\circ k, k\in\mathbb{Z} :: x=60+360^\circ k, k\in\mathbb{Z}
x = 60^\circ + 360^\circ k, k\in\mathbb{Z} :: x=-60^\circ+360^\circ k, k\in\mathbb{Z}
x = 60^\circ + 360^\circ k, k\in\mathbb{Z} :: x=60^\circ+180^\circ k, k\in\mathbb{Z}

# congruences
x \equiv 2 \pmod{5} :: x\equiv 2\pmod{10} ;; x\equiv 3 \pmod 5 ;; x=5k+3, k\in\mathbb{Z} ;; x = 2 ;; 2 ;; x=5k+2
x \equiv 2 \pmod{5} :: y\equiv 2\pmod 5 ;; x=10k+2, k\in\mathbb{Z}
x \equiv 2 \pmod{5} :: x\not\equiv 2 \pmod 5 ;; x \equiv 2, 3 \pmod 5 ;; x^2\equiv 4 \pmod 5 ;; 2x\equiv 4\pmod 5
x \equiv 2 \pmod{5} :: x\equiv 2 ;; x=5k+2, k\in\mathbb{N}
n \equiv 1, 4 \pmod{5} :: n\equiv 1\pmod 5 ;; n\equiv 1,3\pmod 5 ;; n\equiv 1,4 \pmod{10} ;; n=1,4
n \equiv 1 \pmod{2} :: n\equiv 1 \pmod 4 ;; n\equiv 1,2,3 \pmod 4 ;; n\equiv 0,2\pmod 4
2 :: 17 \bmod 5 \pmod{3} ;; 7 \pmod 5
x \equiv 2 \pmod{5} :: x \equiv 2 \pmod{0} ;; x \equiv 2 \pmod{-5} ;; x \equiv 2 \pmod{p}

# constants that may be any number
C_1x :: C_2x ;; Dx ;; C_1x^2
y = C_1e^{2x} + C_2e^{-x} :: y=Ae^{2x}+Ae^{-x} ;; y=Ae^{2x}+Be^{x} ;; y=e^{2x}+e^{-x} ;; y=Ae^{2x}
y = C_1e^{2x} + C_2e^{-x} :: y=Ae^{2x}+Be^{-x}+D ;; y=C_1e^{2x}+3e^{-x}
y = Ce^{-x^2} :: y=xe^{-x^2} ;; y=e^{-x^2} ;; y=Ce^{x^2} ;; y=C+e^{-x^2} ;; y = te^{-x^2} ;; z = Ae^{-x^2}
y = Ce^{-x^2} :: y=ABe^{-x^2}
y = mx + C :: y = mx + D ;; y=mx+b ;; y=Cx+m
y = \frac{A}{C}x :: y = \frac{A}{D}x ;; y=\frac{C}{A}x
A + B + C :: A+B+D ;; A+B+C+1 ;; A+B+K
y = Cb :: y = kb ;; y = Db
s = vt + C :: s = vt + k
V = Cx :: V = kx
x = Cx :: x = kx
y = Cx :: y = kt ;; y = tx
y = C\sqrt{x} :: y = k\sqrt{x}, x\in\mathbb{R}
f(x) = kx, k \in \mathbb{R}, x \in \mathbb{R} :: f(x)=ab ;; f(x)=x^2 ;; f(x)=x
f(x) = x^2+k, k, x \in \mathbb{R} :: f(x)=a^2+b ;; f(x)=k^2+x
y = x^2 + C, x\in\mathbb{R} :: y=k^2+m ;; y=C^2+x
f(x) = tx, t\in\mathbb{R} :: f(x)=x ;; f(x)=tx^2
f(x) = kx, k\in\mathbb{R} :: f(x)=x^2, x\in\mathbb{R} ;; f(x)=ky, y\in\mathbb{R} ;; f(x)=kx, x\in\mathbb{N}
f(n) = kn, k\in\mathbb{R} :: f(n)=n^2 ;; f(n)=k ;; f(n)=kx ;; f(k)=k^2 ;; f(m)=kn
a + b + c :: a+b+c+1 ;; a+b+k
f(x) = ax+b, a,b\in\mathbb{R} :: f(x)=ax ;; f(x)=ax+a ;; f(x)=ax+b, a,b\in\mathbb{Z} ;; f(x)=ax^2+b
f(x) = ax :: f(x)=bx ;; f(x) = kx, k\in\mathbb{R}
f(x) = cx, c \in \mathbb{R} :: f(x)=cx+d ;; f(x)=c ;; f(x)=2x ;; f(x)=cx, c\in\mathbb{Z} ;; f(x)=cx^2, c\in\mathbb{R}
f(x) = cx, c \in \mathbb{R} :: f(x)=xx ;; f(x) = cx, c > 0
\sin^2 x + C :: \cos^2 x + C ;; \sin^2 x ;; -\frac12\cos 2x ;; \frac12\cos 2x + C ;; \sin^2x + Cx ;; \sin^2 x + x
\sin^2 x + C :: 2\sin^2 x+C ;; \sin^2 x + 5
\ln|x| + C :: \ln x + C ;; \ln|x| ;; 2\ln|x|+C ;; \ln|x+1|+C ;; \ln|x|+C+x ;; \ln|x| + \frac{|x|}{x} + C
\frac{1}{x} + C :: \frac1x+\frac{|x|}{x}+C ;; \frac1x + \lfloor x\rfloor + C ;; \frac1x + x^{-30} + C
\frac{1}{x} + C :: \frac1x + 10^{-30}x + C
\arctan x + C :: -\arctan\frac1x + C ;; \arctan x + |x - 5| - |5-x| + \frac{|x-5|}{10^{9}} + C
x^2 + C :: x^2 + D + C ;; x^2 + 2C x ;; x^2 - C x ;; C
2\pi r :: 2\pi C
C = 2\pi r :: A = 2\pi r

# functions by cases
\begin{cases} 2, & n=1 \\ 3n, & n\ge 2 \end{cases} :: \begin{cases} 3n, & n=1 \\ 2, & n\ge 2 \end{cases}
\begin{cases} 2, & n=1 \\ 3n, & n\ge 2 \end{cases} :: \begin{cases} 2, & n=1 \\ 3n, & n> 2 \end{cases}
\begin{cases} 2, & n=1 \\ 3n, & n\ge 2 \end{cases} :: \begin{cases} 2, & n=1 \\ 2n, & n\ge 2 \end{cases}
\begin{cases} 2, & n=1 \\ 3n, & n\ge 2 \end{cases} :: 3n ;; 2 ;; \begin{cases} 2, & m=1 \\ 3n, & m\ge 2 \end{cases}
\begin{cases} 2, & n=1 \\ 3n, & n\ge 2 \end{cases} :: \begin{cases} 2, & n=2 \\ 3n, & n\ge 2 \end{cases}
a_n = \begin{cases} 2, & n=1 \\ 3n, & n\ge 2 \end{cases} :: a_1=2, a_n=3n ;; a_1=3, a_n=3n (n\ge 2)
a_n = \begin{cases} 2, & n=1 \\ 3n, & n\ge 2 \end{cases} :: a_1=2, a_n=3n (n\ge 3) ;; a_2=2, a_n=3n (n \ge 2)
a_n = \begin{cases} 2, & n=1 \\ 3n, & n\ge 2 \end{cases} :: b_1=2, b_n=3n (n\ge 2) ;; a_1=2, b_n=3n (n \ge 2)
\begin{cases}1,&n\text{ even}\\2,&n\text{ odd}\end{cases} :: \begin{cases}2&n\text{ even}\\1&n\text{ odd}\end{cases}
\begin{cases}1,&n\text{ even}\\2,&n\text{ odd}\end{cases} :: 1 ;; 1,2
\begin{cases}1,&n\text{ even}\\2,&n\text{ odd}\end{cases} :: \begin{cases}1&n\text{ not even}\\2&n\text{ odd}\end{cases}
\begin{cases} x, & x \ge 0 \\ -x, & x < 0 \end{cases} :: x ;; -x ;; -|x| ;; |x|+1 ;; |x-1| ;; \max(x,0) ;; |y|
\begin{cases} x, & x \ge 0 \\ -x, & x < 0 \end{cases} :: |x| + \frac{|x|-x}{10^{20}}
\begin{cases} 1, & x \ge 0 \\ -1, & x < 0 \end{cases} :: \frac{|x|}{x} ;; \frac{x}{|x|} ;; 1
\begin{cases} x, & x > 0 \\ -x, & x < 0 \end{cases} :: |x|
\begin{cases} x, & x \ge 0 \\ -x, & x < -1 \end{cases} :: |x|
\begin{cases} x, & x \ge 0 \\ -x, & x < 1 \end{cases} :: |x|
f(x) = \begin{cases} x, & x \le 2 \\ 2, & x > 2 \end{cases} :: f(x)=\max(x,2) ;; x ;; 2 ;; \min(x,3) ;; g(x)=\min(x,2)
\begin{cases} 0, & x < -1 \\ x+1, & -1 \le x \le 1 \\ 2, & x > 1 \end{cases} :: \frac{|x+1|-|x-1|}{2} ;; \max(0,x+1)
\begin{cases} 0, & x < -1 \\ x+1, & -1 \le x \le 1 \\ 2, & x > 1 \end{cases} :: \min(x+1,2)
\max(x,y) :: \frac{x+y-|x-y|}{2} ;; \frac{x+y+|x|-|y|}{2} ;; x+y ;; \min(x,y) ;; |x|
|x| :: \begin{cases} x, & x \ge 0 \\ -x, & x < -5 \end{cases} ;; \begin{cases} x, & x \ge 0 \\ x, & x < 0 \end{cases}

# vectors
2\vec{i} - 3\vec{j} :: 2\vec{i}+3\vec{j} ;; 3\vec{i}-2\vec{j} ;; 2-3i ;; 2\mathbf{j}-3\mathbf{i} ;; 2i-3 ;; 2\vec{i}
2\vec{i} - 3\vec{j} :: 2\vec{i}-3\vec{k} ;; (2,3)
2\vec{i} - 3\vec{j} :: (-3,2) ;; (2,-3,0) ;; [2,-3] ;; 2,-3 ;; \{2,-3\} ;; \langle -3,2\rangle ;; (2,0)
\langle 2,-3\rangle :: 3i-2j ;; 2i+3j ;; 2i-3j+k ;; 2-3i ;; 2i-3j+1 ;; -3i+2j
\mathbf{i}-\mathbf{k} :: (1,-1) ;; (1,-1,0) ;; (0,1,-1)
(2,-3) :: 2\vec{i}\cdot(-3\vec{j}) ;; 2x-3y
(1,2) :: \vec{i}+2\vec{j}
\langle 2t,t^2\rangle :: t^2\vec{i}+2t\vec{j} ;; 2\vec{i}+t\vec{j}
\langle 2t,t^2\rangle :: 2t\vec{i}\vec{j}+t^2\vec{j} ;; 2\vec{t}\vec{i}+t^2\vec{j}
a\vec{i}+b\vec{j} :: (b,a) ;; (a,b,0)
one half :: 1.2 ;; 2 ;; half a dozen ;; one ;; one third
\frac{2}{3} :: two third ;; three halves ;; second third ;; two thirds of it ;; 23
3 :: third ;; one third ;; a third
\frac13 :: third ;; 3rd ;; the third
3 + 4i :: 3\mathbf{i}+4\mathbf{j} ;; 3j+4i ;; 3\mathbf{j}+4\mathbf{i}
\overrightarrow{AM} = \frac{1}{3}\vec{a} + \frac{2}{3}\vec{b} :: \frac23\vec{a}+\frac13\vec{b} ;; \frac13 a+\frac23 b
\overrightarrow{AM} = \frac{1}{3}\vec{a} + \frac{2}{3}\vec{b} :: \overrightarrow{MA}=\frac13\vec a+\frac23\vec b
\overrightarrow{AM} = \frac{1}{3}\vec{a} + \frac{2}{3}\vec{b} :: \frac13\vec a
\overrightarrow{A B} :: \overrightarrow{BA} ;; AB

# numbers in words
three :: 4 ;; thirty ;; third ;; thirteen ;; 3.5 ;; three or four ;; 33
7 :: seventeen ;; seventy ;; sevens ;; minus seven ;; seven hundred ;; seven tenths ;; seventh
7 :: not seven
\text{twenty-one} :: 20 ;; 1 ;; 201 ;; twenty one hundred

# labels of extreme values
maximum value 7, minimum value 2 :: maximum 2, minimum 7 ;; max=7 ;; min=2 ;; 7 ;; max=7, max=2 ;; \max=7,\min=-2
maximum value 7, minimum value 2 :: 2, 7 ;; min=7, max=2
\text{maximum value } 9 :: minimum value 9 ;; min = 9 ;; maximum value -9 ;; maximum value 9 or 10 ;; max(9,10)

# angles
\angle PQR :: \angle QPR ;; \angle PRQ ;; \angle PQS ;; \triangle PQR ;; PQR ;; \angle Q ;; \angle P
\triangle ABC :: \triangle CBA ;; \angle ABC

# distances
|x-3|<4 :: -1\le x\le 7 ;; -7<x<1 ;; |x+3|<4 ;; x<7 ;; |x-3|>4 ;; -1<y<7 ;; |x-3|<5 ;; |x-4|<3 ;; -1, 7
|2x-1| \le 5 :: |x-1|\le \frac52 ;; -3\le x\le 2 ;; [-2,3) ;; |2x|\le 6
|x+2|>1 :: x<-3, x>-1 ;; -3<x<-1 ;; x<-1 \text{ or } x>-3 ;; x>-1
|x-3|>0 :: x>3 ;; \mathbb{R} ;; x \ne -3

# verdicts
\text{No} :: No, it is possible. ;; Yes, it is not possible ;; No, if n is even ;; No and yes ;; No, but yes ;; not
\text{No} :: No, it is not impossible.
\text{Yes} :: Yes, it is not possible. ;; Yes, if n is odd ;; No, it is possible ;; Yes, but no ;; Yes, they are not
\text{Yes, it is possible} :: No ;; it is possible that no ;; possible

# base ten
27_{10} :: 27_8 ;; 72_{10} ;; 2710 ;; 27_{11} ;; 33_8
27 :: 27_{9} ;; 27_{100} ;; 27_1

# a difference that is seen only to many digits
y = 2x+3 :: y = 2x+3+10^{-100}\sin x ;; y=2x+3+10^{-900}x ;; y - 2x - 3 = \frac{x}{10^{200}}
y < 2x+3 :: y < 2x+3+10^{-100}\sin x
x = 2k+1, k\in\mathbb{Z} :: x=2k+1+10^{-990}\cdot 10^{-990}, k\in\mathbb{Z} ;; x=2k+1+10^{-440}, k\in\mathbb{Z}
x^2 + C :: x^2 + 10^{-40} x + C ;; x^2 + 10^{-500}\sin x + C
\begin{cases} x, & x \ge 0 \\ -x, & x < 0 \end{cases} :: |x|+10^{-100}x ;; |x|+10^{-900}

# several functions
f(x) = 0 \text{ and } f(x) = 2x :: f(x)=2x ;; f(x)\equiv 0 ;; f(x)=0, f(x)=x ;; f(x)\equiv 0 \pmod 2, f(x)=2x
f(x) = 0 \text{ and } f(x) = 2x :: f(x)=0, g(x)=2x

# more of each kind
x=2k, k\in\mathbb{Z} :: x=2k, k\in Z^+ ;; x=2k, k\in Z_{>0} ;; x=2k, k\in N^* ;; x=2k, k\in\mathbf{Z}^{+}
x=2k, k\in\mathbb{Z} :: x=2k, k \in Z, k>0 ;; x=2k, k\in \{0,1\} ;; x = 2k, k \in \mathbb{Z}, k \neq 0
x=2k, k\in\mathbb{Z} :: x=2k (k \ge 0, k\in Z) ;; x=2k or x=1, k\in Z ;; x=2k, k\in \mathbb{Z} \text{ or } x=1
x \in \mathbf{R} :: x\in R^+ ;; x \in \mathbf{R}^2 ;; x\in R, x\ne 0 ;; x \in \mathbf{R}, x>0 ;; R^2 ;; \mathbf{R}^+
x \in \mathbf{R} :: \mathbf{R}^{*} ;; x \notin \mathbf{R} ;; x \in \mathbf{C}
\mathbf{R} :: \mathbf{R}^+ ;; \mathbf{r} ;; \mathbf{N} ;; \text{R} ;; R
A(1,2) :: A(1,2)+B(0,0) ;; 2A(1,2) ;; A(1,2) \text{ or } A(2,1) ;; A(1,2), A(2,1) ;; -A(1,2) ;; A(1,2)=3 ;; A(1;2,3)
A(1,2) :: A(1,2)B(1,2)
f(x) = 2x :: f(x) \equiv 2 ;; f(x) = 2x, x \in \mathbb{Z} ;; f(x)=2x, x>0 ;; f(x)=2x \text{ or } f(x) = x
f(x) = 2x :: f(x) = 2x, x\in\mathbb{R} \text{ or } 3x
y' = 2x :: y = 2x ;; y'(2)=2x ;; (y')^2 = 2x ;; y'=2 ;; 2y' = 2x ;; y'=2x+C
S = 2x^2 :: 2x ;; S=2x ;; T=2x^2 ;; x^2 ;; S^2 = 2x^2
X = 2y :: 2y
\rho = 2\sin\theta :: 2\sin\theta ;; \rho=2\cos\theta
k = 2m+1 :: 2m+1
x \equiv 1 \pmod 4 :: x \equiv 1 \pmod 4, x>0 ;; x = 4k+1, k \ge 0 ;; x \equiv 1 \pmod{4} \text{ or } x\equiv 3 \pmod 4
x \equiv 1 \pmod 4 :: x = 4k+1, 4k+3, k\in\mathbb{Z} ;; \frac{x-1}{4} ;; x\equiv 1 \pmod{4k}
\ln x + C :: \log x + C ;; \ln(x+C) ;; \ln x \cdot C ;; \ln x + \ln C ;; \ln|x| + C ;; \ln x - C ;; \ln x + C^2
\frac{1}{2}x^2 + C :: \frac12x^2+Cx ;; \frac12 x^2 + |x| + C ;; \frac12x^2+C+\frac{x}{10^{18}} ;; \frac12 x^2+\pi
\frac{1}{2}x^2 + C :: \frac12x^2 + C + D
y=Cx :: y=C ;; y=x ;; y=Cx+C ;; y=C^2x ;; y=kx+b ;; y=Cxz ;; y=|k|x ;; y = e^k x
C :: \text{C or D}
ACD :: A,C,D,E ;; A C or D ;; A, C, (D or E) ;; not ACD ;; A,C ;; a,c,d ;; AC and not D
\{(1,2)\} :: 1,2 ;; (2,1) ;; \{1,2\} ;; ((1,2))
\{(1,2),(3,4)\} :: [1,2],[3,4] ;; (1,2)\cup(3,4) ;; (1,2) < (3,4)
12^\circ 30' :: 12:30 ;; 12.3^\circ ;; 12^\circ 30'' ;; 12'30'' ;; 12 30 ;; 1230
5\text{ m/s} :: 5 m s ;; 5 ms^{-1} ;; 5\text{ ms}^{-1} ;; 5 s/m ;; 5 m/s^2 ;; 5 m^2 s^{-1}
twelve :: twelve dozen ;; twelfth ;; 12% ;; 12 thousand ;; twelve or thirteen ;; twelve and a half ;; 1 2 ;; a dozen
|x-1|<2 :: |x-1|<2, x>0 ;; |x-1| = 2 ;; |x-1|<2 \text{ or } x>5 ;; |1-2x|<2 ;; ||x|-1|<2 ;; |x-1|<|2|x
maximum 5, minimum 1 :: maximum 5, minimum 1 or 2 ;; max=5, min=1, max=6 ;; maximum 5, minimum 1, median 3 ;; maximum 5
maximum 5, minimum 1 :: \max=5+\min=1
no solution :: no real solution ;; \{0\} ;; solution ;; no, solution exists ;; not no solution ;; one solution
S = \frac12 \cdot 4 \cdot 3 = 6 :: S = \frac12\cdot 4 = 6 ;; 6 \text{ or } 7 ;; S=6=7 ;; 6=S=7 ;; S_1 = 6, S_2 = 7
\angle ABC :: \angle ABC + 1 ;; \angle ABCD ;; 2\angle ABC ;; \angle abc
1:2:3 :: 1:2+1:3 ;; 2:4:6:8 ;; 1:2:3=6 ;; -1:-2:-3 ;; 1:(2:3)

# solutions of systems, a line for each name
(2,-1) :: \left\{\begin{array}{l}x=2 \\ y=-1\end{array}\right. \text{ or } ;; \begin{cases} x&=2\\y&=-1\end{cases} and
\left\{\begin{array}{l}x=2 \\ y=-1\end{array}\right. :: (-1,2) ;; x=-1,y=2 ;; (2,1) ;; 2,-1 ;; [2,-1] ;; x=2 ;; 2
\left\{\begin{array}{l}x=2 \\ y=-1\end{array}\right. :: \{2,-1\} ;; \begin{pmatrix}2\\-1\end{pmatrix}
\left\{\begin{array}{l}x=2 \\ y=-1\end{array}\right. :: x=2 \text{ or } y=-1 ;; \begin{cases} x=-1\\y=2\end{cases}
\left\{\begin{array}{l}x=2 \\ y=-1\end{array}\right. :: (2,-1),(1,1)
(2,-1) :: \begin{cases} x=-1\\y=2\end{cases} ;; \begin{cases} y=2\\x=-1\end{cases}
(2,-1) :: \begin{cases} x=2\\y=1\end{cases} ;; \begin{cases} 2\\-1\end{cases} ;; \begin{cases} x=2\end{cases}
(2,-1) :: \begin{cases} x=2\\y=-1\\z=0\end{cases} ;; \begin{cases} x=2,& y=-1\\x=1,&y=1\end{cases}
(2,-1) :: \begin{cases} x=2\\x=-1\end{cases} ;; \begin{cases} x>2\\y=-1\end{cases}
(2,-1) :: \begin{cases} x=2, & y = -1 \\ x = 3, & y \ne -1 \end{cases}
x=2, y=-1 :: \begin{cases} x=-1\\y=2\end{cases} ;; \begin{cases} x=2\\z=-1\end{cases}
x=2, y=-1 :: \begin{cases} 2, & x=0 \\ -1, & x=1 \end{cases} ;; \begin{cases} x=2\\y\ne-1\end{cases}
\begin{cases} x=1 \\ y=2 \end{cases} \text{ or } \begin{cases} x=2 \\ y=1 \end{cases} :: (1,2) ;; (1,2),(1,2)
\begin{cases} x=1 \\ y=2 \end{cases} \text{ or } \begin{cases} x=2 \\ y=1 \end{cases} :: (1,2),(2,2) ;; 1,2 ;; (2,1)
\begin{cases} x=1 \\ y=2 \end{cases} \text{ or } \begin{cases} x=2 \\ y=1 \end{cases} :: (1,2,2,1) ;; x=1, y=2
(1,2),(2,1) :: \begin{cases} x=1 \\ y=2 \end{cases} ;; \begin{cases} x=1 \\ y=2 \\ x=2 \\ y = 2 \end{cases}
(1,2),(2,1) :: \begin{cases} x=1 \\ y=1 \end{cases} \text{ or } \begin{cases} x=2 \\ y=2 \end{cases}
\begin{cases} 2, & n=1 \\ 3, & n=2 \end{cases} :: (2,3) ;; n=2, n=3 ;; 2,3 ;; (1,2) ;; n=1, n=2 ;; n=1 ;; 1
\left\{\begin{array}{l}x+y=3 \\ x-y=1\end{array}\right. :: (2,1) ;; x=2,y=1
(2,1) :: \left\{\begin{array}{l}x+y=3 \\ x-y=1\end{array}\right.
x = 1 :: \begin{cases} x=1 \\ x=2 \end{cases} ;; \begin{cases} x=1 \\ y=2 \end{cases}
x=1 \text{ or } x=2 :: \begin{cases} x=1 \\ x=3 \end{cases} ;; \begin{cases} x=1 \\ y=2 \end{cases}
x = 1 \text{ or } y = 2 :: \begin{cases} x=1 \\ y=2 \end{cases}
(2,-1) :: \begin{cases} x=2\\y=-1\end{cases} \text{ or }
(2,-1) :: \begin{cases} x=2\\y=-1\end{cases} \text{ or } \begin{cases} x=1\\y=1\end{cases}
(2,-1) :: \begin{cases} x=2 \\ y=-1 \text{ if } x>0\end{cases} ;; \begin{cases} x=2 \\ y \le -1 \end{cases}
(2,-1) :: \begin{cases} x=2 \\ y=-1+t \end{cases} ;; \begin{cases} x \approx 2 \\ y=-1 \end{cases}
(2,-1) :: 2\begin{cases} x=2\\y=-1\end{cases} ;; \begin{cases} x=2\\y=-1\end{cases} = 5
(2,-1) :: \begin{cases} x=2=3\\y=-1\end{cases} ;; \begin{cases} y=2\\ x=-1\end{cases}
(2,-1) :: \begin{cases} x=2, n=1 \\ y=-1, n=2 \end{cases} ;; \text{not }\begin{cases} x=2\\y=-1\end{cases}
(1,2),(2,1) :: \begin{cases} x=1 \\ y=2 \end{cases} \text{ or } \begin{cases} x=2 \\ z=1 \end{cases}
(1,2),(2,1) :: \begin{cases} x=1 \\ y=2 \end{cases} < \begin{cases} x=2 \\ y=1 \end{cases}
(1,2),(2,1) :: \begin{cases} x=1 \\ y=2 \end{cases} \text{ not } \begin{cases} x=2 \\ y=1 \end{cases}
x=1,y=2,z=3,w=4 :: \begin{cases} x=1 \\ y=2 \end{cases} \text{ or } \begin{cases} z=3 \\ w=4 \end{cases}
\begin{cases} x=2t \\ y=t \end{cases} :: (2,1) ;; x=t, y=2t ;; x = 2y ;; (t,2t)
f(x)=\begin{cases} x=1 \\ y=2 \end{cases} :: (1,2)
(1,2) :: \left\{\begin{array}{l}x=2 \\ y=1\end{array}\right. ;; \left\{\begin{array}{l}x=1 \\ x=2\end{array}\right.
(1,2) :: \left\{\begin{array}{l}x=1 \\ y=2\end{array}\right\} \cup \{3\}
(1,2) :: \left\{\begin{array}{l}x\neq 1 \\ y=2\end{array}\right.
(1,2) :: \left\{\begin{array}{l}x=1 \\ y\in 2\end{array}\right.
(1,2) :: \left\{\begin{array}{l}x=1, y=2 \\ x=2, y=1\end{array}\right.
(1,2) :: -\left\{\begin{array}{l}x=1 \\ y=2\end{array}\right.
\{(1,2)\} :: \begin{cases} x=2 \\ y=1\end{cases}
\{(1,2)\} :: \begin{cases} x=1 \\ y=2\end{cases}, \begin{cases} x=2 \\ y=2\end{cases}
\begin{cases} x=1 \\ y=2\end{cases} :: 3 ;; 1 ;; 2 ;; x=1 ;; y=2 ;; 1:2 ;; x=1, y=2, z=3 ;; x=1, z=2 ;; [1,2] ;; 1<x<2
\begin{cases} x=1 \\ y=2\end{cases} :: \begin{pmatrix}1&2\end{pmatrix} ;; x=1, y\ne 2 ;; (1,2] ;; A(2,1)
[1,2] :: \begin{cases} x=1 \\ y=2\end{cases}
1 < x < 2 :: \begin{cases} x=1 \\ y=2\end{cases} ;; \begin{cases} x>1 \\ y<2\end{cases}
y = \begin{cases} x+1, & x>0 \\ x-1, & x \le 0\end{cases} :: \begin{cases} y=x+1 \\ y = x-1\end{cases} ;; y=x+1, y=x-1
\begin{cases} 1, & x=0 \\ 2, & x=1 \end{cases} :: \begin{cases} x=0 \\ x=1 \end{cases}
\begin{cases} 1, & x=0 \\ 2, & x=1 \end{cases} :: \begin{cases} x=1 \\ y=2 \end{cases}

# equations with sums and integrals
\sum_{k=1}^{n} k = 55 :: \sum_{k=1}^{n} k = 54 ;; \sum_{k=1}^{n} k^2 = 55 ;; \sum_{k=1}^{n} k = 55 + 0
\int_0^1 x dx = 7 :: \int_0^1 x dx = 3 ;; \int_0^2 x dx = 7 ;; 3
\int_0^a x dx = 8 :: \int_0^{\pi} \sin x\,dx = 2 ;; \int_0^x t dt = 2 ;; \int_0^1 x dx = 3 ;; \int_0^b x dx = 7
\sum_{k=1}^n k < 5 :: \sum_{k=1}^n k < 6 ;; \sum_{k=1}^n k^2 < 5 ;; \sum_{k=1}^n k = 5
\int_0^1 f(x) dx \le 4 :: \int_0^1 f(x) dx \le 3 ;; \int_0^1 f(x) dx < 4
S = \sum_{k=1}^n (1+k) :: S = \sum_{k=1}^n (2+k) ;; T = \sum_{k=1}^n (1+k) ;; S = \sum_{k=2}^n (1+k)

# computations without a name
\binom{12}{3}=220 :: 221 ;; 12 ;; 3 ;; \binom{12}{3}=221 ;; 19=18 ;; 220=221 ;; 220 \text{ or } 221 ;; \binom{12}{4}
\binom{12}{3}=220 :: x=220=221
\binom{12}{3}=221 :: 221 ;; 220
3 \cdot 4 = 12 :: 3 ;; 4 ;; 7 ;; 13 ;; 3\cdot 5 = 12 ;; 3,4 ;; 34
19 = 18 :: 18 ;; 19
3 \cdot 4 = 13 :: 13 ;; 12
\frac{C_4^2}{C_{10}^2}=\frac{2}{15} :: \frac{15}{2} ;; 2 ;; 15 ;; \frac{C_4^2}{C_{10}^2}=\frac{1}{15}
2^{10}=1024 :: 10 ;; 2 ;; 1023 ;; 20 ;; 2^{11}
\sqrt{2} = 1.414 :: 1.414 ;; \sqrt{2}
2x = 6 :: 6 ;; 3
x + 1 = 3 :: 3 ;; 2
x^2+y^2=4 :: 4
ab = 12 :: 13
\int_0^1 x\,dx = \frac12 :: 1 ;; 2 ;; 0.25
12 = 3 \cdot 4 = 11 :: 12 ;; 11
\frac{1}{3}=0.33 :: 0.33 ;; \frac13
\int_0^x t dt = 2 :: 2
\sum_{k=1}^{n} k = 55 :: 55 ;; 10
\lim_{x\to a} f(x) = 3 :: a
\int_0^a x dx = 8 :: 8
\sum_{k=1}^{10} k = 55, 56 :: 55
\int x dx = 2 :: 3
2\square = 10 :: 10 ;; 5
? = 5 :: 6
2x+\cdots = 5 :: 5
1+2+\cdots+n = 55 :: 55 ;; 10
3!+4!=30 :: 3 ;; 4
A_5^2 = 20 :: 5 ;; 2 ;; 10 ;; 25 ;; A_5^3
A_5^2 = 25 :: 25 ;; 20
A_n^2 = 20 :: 5 ;; 20
\frac{1}{2}+\frac{1}{3}=\frac{2}{5} :: \frac{2}{5} ;; \frac56
2+2=4=5 :: 4 ;; 5
2 = 2 :: 3 ;; 2=3
90^\circ = 2 :: 90 ;; 2
50\% = 0.5 :: 50 ;; 5\%
180^\circ - 60^\circ = 110^\circ :: 110^\circ ;; 120^\circ
\frac{15}{50} = 30\% :: 15\% ;; 0.3 ;; 30 ;; \frac{15}{50}\%
45^\circ + 45^\circ = 90 :: 90^\circ ;; 45
\arctan 1 = 45^\circ :: 45 ;; 1
\frac{1}{2} = 0.5 :: 5 ;; 1 ;; 0.05
1.5 = \frac{3}{2} = 2 :: 2 ;; 1.5
\sum_{n=1}^{\infty} \frac{1}{n^2} = \frac{\pi^2}{6} :: \frac{\pi}{6} ;; 1.6449 ;; \frac{\pi^2}{8} ;; 6
\int_0^{\pi} \sin x\,dx = 2 :: 1 ;; \pi ;; 2\pi ;; x ;; 0
1 + 2 + \cdots + 10 = 54 :: 55
\cos 60^\circ = \frac12 :: 60^\circ ;; 60 ;; \cos 30^\circ ;; \frac{\sqrt{3}}{2}
C_5^2 \cdot C_4^1 = 40 :: 10 ;; 4 ;; 14 ;; 5
x^2 = 4 :: 4 ;; 2 ;; -2
x = 2 = 3 :: 3 ;; 2
P(2) = 20 :: 2
\log_2 8 = 3 :: 8 ;; 2 ;; \log_3 8
7 = 3 + 4 :: 3 ;; 4 ;; 12 ;; 1
\frac{15}{50}=30\% :: 0.3 ;; 30 ;; 15\% ;; 0.3\%
P(A)=30\% :: 0.3 ;; 30 ;; P(B)=30\% ;; 20\%
20\%, 30\% :: 20, 30 ;; 20\%, 30 ;; 20\%
100 \times 5\% = 5 :: 5\% ;; 500\% ;; 100 ;; 500

# solutions with indices
x=1, y=2 :: y=2, x=\pm 1 ;; x_1=1, y_1=2
x=1, y=2, x=3, z=4 :: (1,2), (3,4)
x=1, y=2, y=4, x=3 :: (1,2)
(a,b)=(1,2) :: (a,b)=(1,2,3) ;; (a,b)=(1) ;; (a,a)=(1,2)
x_{1}=2, y_{1}=3 ; x_{2}=3, y_{2}=2 :: (2,3) ;; (2,2),(3,3) ;; (2,3),(2,3) ;; 2,3 ;; (2,3,3,2) ;; (2,3),(3,1)
x_{1}=2, y_{1}=3 ; x_{2}=3, y_{2}=2 :: (2,3),(3,2),(1,1) ;; x_1=2,y_1=2,x_2=3,y_2=3 ;; x_1=2,y_2=3,x_2=3,y_1=2
x_{1}=2, y_{1}=3 ; x_{2}=3, y_{2}=2 :: [2,3],[3,2]
(2,3),(3,2) :: x_1=2, y_1=2 ; x_2=3, y_2=3 ;; x_1=2, y_1=3 ;; x_1=2, x_2=3, y_1=2, y_2=3 ;; x_1=2, y_1=3, x_2=3, z_2=2
(2,3),(3,2) :: x_1=2, y_2=3 ; x_2=3, y_1=2 ;; x_1=2,y_1=3,x_2=3
x_1 = 2, x_2 = 3 :: 2 ;; 2, 4 ;; 2,3,3 ;; x_1=2 ;; x_1=2, x_2=2 ;; x_1 = 2, y_2 = 3 ;; 23
(x_1, y_1) = (2,3), (x_2,y_2) = (3,2) :: (2,3) ;; (2,2),(3,3)
x_1=1, y_1=2 ; x_2=3, y_2=4 :: (2,1),(4,3) ;; (1,3),(2,4) ;; (1,2),(4,3) ;; (1,4),(3,2)
x_1=1, x_2=2, x_3=3 :: 1, 2 ;; 1,2,4 ;; 1,2,3,4
x_1=1, y_1=2, x_2=3, y_2=4 :: (1,2,3,4),(1,2,3,4) ;; (1,4),(3,2) ;; \{1,2,3,4\} ;; 1,2,3,4 ;; (1,2),(3,4),(5,6)
x_1=1, y_1=2, x_2=3, y_2=4 :: (1,2) or (3,5) ;; x=1,y=2 ;; x=1,y=4,x=3,y=2 ;; x_1=3,y_1=4,x_2=1,y_2=3
(1,2),(3,4) :: x_1=1, x_2=2, y_1=3, y_2=4 ;; x_1=1,y_1=2,x_1=3,y_1=4,x_2=0 ;; x_1=1,y_2=2,x_2=3,y_1=4
(1,2),(3,4) :: a_1=1, b_2=2, c_1=3, d_2=4 ;; x_1=1, y_1=2, x_2=3, y_3=4 ;; y_1=1, x_1=2, y_2=3, x_2=4
1,2 :: x_1=1, y_1=2 ;; x_1=1, y_2=2 ;; x_1=2, x_2=2

# letters with what stands behind them
B :: B or C ;; B. C ;; B. not sure ;; C. 12 ;; B. A ;; B: C ;; A. B ;; B and C ;; (B)(C) ;; B. D, 12 ;; (B) or (C)
B :: B) 12 or C) 13 ;; B. 12 (C) ;; B. 12, C. 13 ;; b. 12 ;; B 12 ;; B12 ;; B.. ;; B = 12 ;; not B ;; B-12 ;; B!
B :: B. 12? ;; B. C = 12 ;; B. 12 C ;; B. ? ;; B(12) ;; B/12 ;; AB. 12 ;; B. 12\text{ or C} ;; B, 12 ;; B:C=1:2
B. 12 :: C ;; C. 12 ;; B. 13 ;; (B) 13 ;; (C) 12 ;; A ;; 13 ;; b
(B) 12 :: C ;; (C) 12 ;; (B) 13 ;; B. 13 ;; 13 ;; B. 12 C ;; B or 12
(B) x^2+1 :: C ;; (B) x^2+2 ;; (B) x^2 ;; x^2+2
12 :: B. 12 ;; B: 12
E :: E: 5 or D ;; F. 5 ;; E/5 ;; E5 ;; E+5 ;; E=5 ;; E.D 5 ;; E. maybe 5 ;; E) D) 5
A: 24 :: A ;; B ;; 24 ;; A: 25 ;; B: 24
C :: C. no 5 ;; C. 5 or 6 ;; C. not 5 ;; C: x ;; C: x^2+y^2=1 ;; C, 12 ;; c. 12
A. 24 :: 24 ;; B ;; B. 24 ;; A. 25
D :: D: E ;; D: 5, E: 6 ;; D. 5 (not E) ;; E. D ;; D or 5 ;; D.D ;; D. C ;; D:12:13 E ;; D)E) ;; D. maybe ;; D. none
D :: D. d ;; D. 5 or E ;; D? ;; D. I think 5 ;; D / E ;; 5. D ;; D^2 ;; 2D ;; D. D ;; D ≈ 5 ;; -D. 5
(D) 12 :: D. 13 ;; (E) 12 ;; E. 12 ;; D. 12 or E ;; d ;; 12, 13 ;; D: 1 ;; (D) 12 or 13
D. \frac{1}{2} :: \frac12 ;; 0.5 ;; D. 2 ;; C ;; D. \frac13 ;; A
5 :: A: 5 ;; A. 5 ;; A) 5 ;; (A). 5
A = 5 :: A: 5 or 6 ;; B: 5 ;; A. 6
A :: A = 5 ;; A(5) ;; 5A

# constants declared in words
f(x)=k x, where $k$ is an arbitrary constant :: f(x)=kx, where $k$ is an integer ;; f(x)=2x ;; f(x)=k ;; f(x)=kx^2
f(x)=k x, where $k$ is an arbitrary constant :: f(x)=kx+c ;; f(x)=cx \text{ for any constant } k
f(x)=k x, where $k$ is an arbitrary constant :: f(x)=kx, where k is a positive constant
f(x)=k x, where $k$ is an arbitrary constant :: f(x)=cx \text{ for any integer } c
f(x)=k x, where $k$ is an arbitrary constant :: f(x)=cx \text{ for all real } c \ne 0 ;; f(x)=kx, k>0
f(x)=k x, where $k$ is an arbitrary constant :: kx \text{ or } 2 ;; f(x)=cx, where c is not a constant
f(x)=k x, where $k$ is an arbitrary constant :: f(x)=cx, where c = 2 is a constant ;; f(x)=0
f(x)=k x, where $k$ is an arbitrary constant :: f(x) = cx, where x is a constant
f(x)=cx, c \text{ is a nonzero constant} :: f(x)=2x ;; f(x) = c
f(x) = ax :: f(x)=bx, where b is a constant ;; f(x)=cx \text{ for any constant } c
y = mx + C :: y=mx+D, where D is a constant
y = Ce^x, where C is a constant :: y=e^x ;; y=C+e^x ;; y=Ce^{2x} ;; y=Ce^x, where C is a positive constant ;; y = xe^x
y = Ce^x, where C is a constant :: y=Ce^x+D
\frac{x^3}{3}+C, where C is a constant :: \frac{x^3}{3} ;; \frac{x^3}{3}+Cx ;; \frac{x^2}{3}+C
\frac{x^3}{3}+C, where C is a constant :: \frac{x^3}{3}+C, where C is an integer ;; \frac{x^3}{3}+5
f(x)=ax+b \text{ where } a, b \text{ are real constants} :: f(x)=ax ;; f(x)=ax+a ;; f(x)=ax+b, a,b \in \mathbb{Z}
f(x)=ax+b \text{ where } a, b \text{ are real constants} :: f(x)=ax+b \text{ where } a \text{ is a constant and } b=2
f(x)=ax+b \text{ where } a, b \text{ are real constants} :: f(x)=ax+b, where a and b are positive constants
f(x)=x+c (c \in \mathbb{R}) :: f(x)=x ;; f(x)=x+1 ;; f(x)=x+c (c\in\mathbb{Z}) ;; f(x)=cx
f(x)=cx, where c is any real number :: f(x)=cx, where c is any real number except 0
f(x)=cx, where c is any real number :: f(x)=cx, where c is a rational number ;; f(x)=x
f(x)=cx, where c is any real number :: f(x)=c, where c is any real number
f(x)=cx, where c is any real number :: f(x)=cx+d, where c and d are any real numbers ;; f(x)=cx, where c is complex
f(x)=cx, where c is any real number :: f(x)=cx for all real x and c=1 ;; f(x)=cx, c>0
a_n = 2n :: a_n=2n, n \in \mathbb{R} ;; a_n = 2n, where n is real ;; a_n=2n \text{ for all real } n
f(x)=2x, x \in \mathbb{Z} :: f(x)=2x, x\in\mathbb{R} ;; f(x)=2x, where x is real
y = ax^2, where a is a real constant :: y = ax ;; y=bx^3, where b is a real constant ;; y=x^2
y = ax^2, where a is a real constant :: y = a^2x^2, \text{ where a is a real constant}
y = ax^2, where a is a real constant :: y=|a|x^2, \text{ for all real } a
(k, 2k), where k is real :: (1,2) ;; (k,k), where k is real
x = k, where k is a real number :: x=k, where k is an integer ;; x = 2 ;; y=k, where k is real
2k+1, where k is an integer :: 2k+1, where k is a real number ;; 2k+1, k \in \mathbb{R}
f(x) = cx, c \in \mathbb{R} :: f(x)=cx \text{ for any constant } x ;; f(x)=cx \text{ for some integer } c
f(x) = cx, c \in \mathbb{R} :: f(x)=cx \text{ for some constant } c \text{ with } c>1
f(x) = cx, c \in \mathbb{R} :: f(x)=cx \text{ where } c=f(1) \text{ and } c>0
f(x) = cx, c \in \mathbb{R} :: f(x)=-c^2x, \text{ where } c \text{ is a real constant}
f(x) = cx, c \in \mathbb{R} :: f(x)=cx, \text{ where } c \text{ is a natural number}
f(x) = cx, c \in \mathbb{R} :: f(x)=cx+c, where c is a constant ;; f(x) = cx \text{ for real } x
f(x) = cx, c \in \mathbb{R} :: f(x)=ex, where e is a constant ;; f(x)=\pi x, where k is a constant
f(x) = cx, c \in \mathbb{R} :: f(x)=\frac{x}{c}, where c is a constant ;; f(x)=2cx^2, where c is real
f(x) = cx, c \in \mathbb{R} :: g(x)=cx, where c is a constant ;; f(x)=c|x|, where c is a constant
f(x) = cx, c \in \mathbb{R} :: f(x)=cx \text{ or } f(x)=x^2 \text{ for any constant } c
f(x) = cx, c \in \mathbb{R} :: f(x)=cx or f(x)=c for real c
\ln x + C :: \ln x + C, C>0 ;; \ln x + c, \text{ where c is an integer} ;; \ln x, where C is a constant
\ln x + C :: \ln x + 2, where C is a constant ;; \ln x \cdot C, where C is a constant
\ln x + C :: \ln (Cx), where C is a constant
y = ax + b :: y = cx + d, where c and d are constants ;; y=ax, where a is a constant
y = 3x + C :: y=3x + C_1 + C_2, where C_1, C_2 are constants ;; y = 2x+C, where C is a constant
y = 3x + C :: y = 3x, where C is a constant
x = 2\pi k, k \in \mathbb{Z} :: x=2\pi k, where k is a real number ;; x=2\pi k, k \in \mathbb{R}
x = 2\pi k, k \in \mathbb{Z} :: x = 2\pi k for any constant k
""")
