"""Right answers in the writings that a third reader found refused, by kind: category -> list of (answer, gold)."""

from __future__ import annotations

from tests.rewards.math.labelled import table

RIGHT_THIRD_READER = table(r"""
# names of several values
n=2,3,4 :: n=4,3,2 ;; 2,3,4 ;; n=2,n=3,n=4 ;; n\in\{2,3,4\} ;; \{2,3,4\} ;; n=2 or n=3 or n=4 ;; n=2, 3 and 4
(a,b,c)=(1,2,3) :: (1,2,3) ;; a=1,b=2,c=3 ;; c=3,b=2,a=1 ;; a=1, \ b=2,\ c=3 ;; a=1, b=2 and c=3 ;; (b,a,c)=(2,1,3)
a=1,b=2 :: (a,b)=(1,2) ;; (1,2) ;; b=2,a=1
(3,-4) :: x=3,y=-4 ;; (x,y)=(3,-4) ;; x=3 \text{ and } y=-4
x=2,\ x=-3 :: x=-3,2 ;; \{-3,2\} ;; x_1=2,x_2=-3 ;; x\in\{2,-3\} ;; -3,2
(x,y)=(1,2),(2,1) :: (2,1),(1,2) ;; (x,y)=(2,1) or (x,y)=(1,2) ;; x=1,y=2,x=2,y=1 ;; (x,y)=(2,1),(1,2)
(x,y)=(1,2),(2,1) :: \{(1,2),(2,1)\}
x=1,y=2 \text{ or } x=2,y=1 :: x=2,y=1 or x=1,y=2 ;; (1,2),(2,1)
x=\pm 5 :: x=5,x=-5 ;; x=5 or x=-5 ;; 5,-5 ;; \pm5
x=1 \pm \sqrt2 :: x=1+\sqrt2,1-\sqrt2
\{-3,2\} :: x=-3 or x=2
a=b=2 :: a=2,b=2
A=(1,2), B=(3,4) :: B=(3,4), A=(1,2)
x_1=1,x_2=2,y_1=3,y_2=4 :: (x_1,y_1)=(1,3),(x_2,y_2)=(2,4) ;; (1,3),(2,4)
(x_1,y_1)=(1,3),(x_2,y_2)=(2,4) :: x_1=1,y_1=3,x_2=2,y_2=4 ;; (x,y)=(1,3),(2,4) ;; (2,4),(1,3)
(a,b)=(1,2),(c,d)=(3,4) :: a=1,b=2,c=3,d=4 ;; (a,b,c,d)=(1,2,3,4)
(a,b)=(1,2),c=3 :: a=1,b=2,c=3 ;; (a,b,c)=(1,2,3)
x=1,y=2 \text{ or } x=2,y=1 :: (x,y)\in\{(1,2),(2,1)\}
(x,y)\in\{(1,2),(2,1)\} :: x=2,y=1 or x=1,y=2 ;; (x,y)=(1,2),(2,1)
x=1,y=\pm2 :: (1,2),(1,-2) ;; x=1,y=2 or x=1,y=-2 ;; y\in\{2,-2\},x=1
x=\pm1,y=2 :: (1,2),(-1,2) ;; y=2,x=\pm1
x=\pm1,y=\pm2 :: y=\pm2,x=\pm1

# units at the number, ordinals, bases and choices
60 :: 60m ;; 60 m ;; 60s ;; 60g ;; 60h ;; 60L ;; 60m^2 ;; 60m/s ;; 60cm ;; x=60m ;; 60km/h
12\text{ s} :: 12s ;; 12 ;; 12 seconds
60m :: 60 m ;; 60 meters ;; 60\text{ m} ;; 60m
\frac{1}{2} :: \frac{1}{2}m
3m :: 3 m ;; 3m ;; 3\cdot m
1101_2 :: 1101_{\text{two}} ;; 1101_\text{two} ;; 1101_{two} ;; 1101 base 2 ;; 1101\text{ (base 2)} ;; 1101_{(2)}
A5_{16} :: A5_{\text{sixteen}} ;; A5 in base sixteen ;; A5_{sixteen}
1101_2 :: (1101)_2 ;; 01101_2 ;; 1101_{\text{base } 2} ;; 1101 in base two
5\text{th} :: 5th ;; 5^{th} ;; 5^{\text{th}} ;; 5 ;; 5\textsuperscript{th}
21 :: 21st ;; 21^{\text{st}}
2.5 hours :: 2 hours 30 minutes ;; 2 h 30 min ;; 2\text{ hours and }30\text{ minutes} ;; 150 minutes
5.5 ft :: 5 feet 6 inches ;; 5 ft 6 in
\text{(C)} :: \textbf{(C)}\ 24 ;; (C) 24
\textbf{(C)}\ 24 :: C ;; 24 ;; (C) ;; (C) 24
\textbf{(B) } \frac{1}{2} :: B ;; 0.5
\emptyset :: \text{no solution} ;; no solutions ;; There is no solution.
\text{no real solutions} :: no real solution ;; No real roots ;; There are no real solutions

# sets of real numbers
x \ne 0 :: \mathbb{R}\setminus\{0\} ;; (-\infty,0)\cup(0,\infty) ;; x\in\mathbb{R}, x\ne0 ;; x\neq 0
x \ne 0 :: \mathbb{R}-\{0\} ;; x<0 or x>0 ;; \{x \mid x\ne 0\} ;; \{x\in\mathbb{R}: x\ne 0\}
x \ne 0 :: all real numbers except 0 ;; x\in(-\infty,0)\cup(0,\infty) ;; \mathbb R \backslash \{0\}
x \ne 0 :: x \in \mathbb{R}\setminus\{0\} ;; \mathbb{R}\smallsetminus\{0\} ;; ℝ∖{0} ;; \mathbb{R} \setminus {0}
x \ne 0, x \ne 1 :: \mathbb{R}\setminus{0, 1} ;; \mathbb{R} \backslash {1,0}
\mathbb{R}\setminus\{1,2\} :: x\ne1,2 ;; x\ne 1, x\ne 2 ;; x\ne1 \text{ and } x\ne2 ;; \mathbb{R}\setminus\{2,1\}
\mathbb{R}\setminus\{1,2\} :: (-\infty,1)\cup(1,2)\cup(2,\infty)
(-\infty,-2)\cup(2,\infty) :: |x|>2 ;; x<-2 or x>2 ;; \{x : |x|>2\}
[-1,1] :: |x|\le1 ;; -1\le x\le 1 ;; \{x\mid -1\le x\le1\}
|x|<3 :: -3<x<3 ;; x\in(-3,3) ;; (-3,3)
\mathbb{R} :: x\in\mathbb{R} ;; (-\infty,\infty) ;; all real numbers ;; x \in (-\infty,\infty)
[0,1)\cup(1,\infty) :: [0,\infty)\setminus\{1\}
x\ne\pm1 :: x\in\mathbb{R}, x\ne\pm1
x\ne\pm1 :: \mathbb{R}\setminus\{-1,1\} ;; (-\infty,-1)\cup(-1,1)\cup(1,\infty) ;; \mathbb{R}\setminus\{\pm 1\}

# products without a sign
n\cdot 2^{n-1} :: n2^{n-1} ;; 2^{n-1}n ;; \frac{n2^n}{2}
(n-2)2^{n}+1 :: 2^n(n-2)+1 ;; 1+2^n(n-2) ;; (n-2)\cdot2^n+1
2|x| :: |2x| ;; |x|2 ;; 2\left|x\right|
2u+3 :: 3+2u ;; u+u+3
3\cdot 2^n :: 2^{n}3 ;; 3(2^n)
2\sqrt{3} :: \sqrt{3}2 ;; \sqrt{3}\cdot2
5(x+1) :: (x+1)5 ;; 5x+5
x|y| :: |y|x ;; x\cdot|y|
|x||y| :: |xy| ;; |y||x|
||x|-1| :: |1-|x||
\frac{2|x|}{3} :: |\frac{2|x|}{3}| ;; |\frac{|x|2}{3}| ;; \frac{|x|}{3}2^1
2^n\lfloor x\rfloor :: \lfloor x\rfloor 2^n
2^n\lceil x\rceil :: \lceil x\rceil 2^n
2^n\binom{n}{2} :: \binom{n}{2}2^n ;; \binom n2 2^n
960 :: \binom{10}{3}2^3 ;; {10 \choose 3}2^3
u^2v :: vu^2 ;; uuv
3|x-1|+2 :: 2+3|1-x| ;; |3x-3|+2
k3^{k} :: k\cdot3^k ;; 3^kk
n10^{n} :: 10^nn

# writings
\frac{x^2}{4} :: {x^{2} \over 4} ;; \sfrac{x^2}{4} ;; \nicefrac{x^2}{4} ;; {{x^2} \over {4}} ;; x^2 \over 4
1500 :: \num{1500} ;; \num{1.5e3} ;; \num{1 500}
5\text{ km} :: \SI{5}{\kilo\meter} ;; \qty{5}{\kilo\metre} ;; \SI{5}{km} ;; \SI{5000}{\metre}
9.8\text{ m/s}^2 :: \SI{9.8}{\metre\per\second\squared} ;; \qty{9.8}{m/s^2} ;; \SI{9.8}{m.s^{-2}} ;; \SI{9.8}{m~s^{-2}}
\lim_{x\to 0} f(x) :: \lim_{x \rightarrow 0} f(x) ;; \lim_{x\longrightarrow 0}f(x)
30^\circ :: \ang{30}
0.5 liters :: 500 cm³ ;; 500\text{ cm}^3 ;; 500 mL ;; \SI{500}{\cubic\centi\metre} ;; 0.5 L
1 ha :: 10000 m^2
36 km/h :: 10 m/s ;; 36\text{ km h}^{-1}
\frac{1}{3} :: 0.\dot{3} ;; 0.(3)
\frac{1}{7} :: 0.\dot{1}4285\dot{7}
(2,\infty) :: ]2,\infty[
[1,2) :: [1,2[
\binom{n+1}{2} :: {n+1 \choose 2} ;; {{n+1} \choose 2} ;; \frac{(n+1)n}{2}
120 :: C_{10}^{3} ;; {10\choose 3}
\sum_{k=1}^{n} k^2 :: \sum_{k=1}^n {k^2} ;; \sum_{{k=1}}^{n}k^{2}
\int_0^1 \frac1x\,dx :: \int_{0}^{1}\frac{1}{x}dx
n\equiv 2\pmod 5 :: n\equiv2\pmod{5}
\frac{\pi}{4}+k\pi, k\in\mathbb{Z} :: k\pi+\frac{\pi}{4}, k\in \mathbb Z ;; \frac{(4k+1)\pi}{4}, k\in\mathbb{Z}
a=-2,\ b=5 :: \begin{cases}a=-2\\b=5\end{cases} ;; a=-2\\b=5
f(x)=2x^2-3x+1 :: 2x^2-3x+1
a_n=3n-1 :: 3n-1 ;; -1+3n
371 :: \overline{371}
13 :: |AB|=13 ;; \overline{AB}=13
0.00001 :: 1e-05 ;; 1.0e-05 ;; 1E-5
10^{20} :: 1e+20 ;; 1e20
x=\frac{-3\pm\sqrt{17}}{4} :: x=\frac{-3+\sqrt{17}}{4},\ x=\frac{-3-\sqrt{17}}{4} ;; x_{1,2}=\frac{-3\pm\sqrt{17}}{4}

# roots at negative values
\sqrt{\frac{1}{n}} :: \frac{1}{\sqrt{n}}
\sqrt{\frac{x}{y}} :: \frac{\sqrt{x}}{\sqrt{y}}
\frac{1}{\sqrt{1-x^2}} :: \sqrt{\frac{1}{1-x^2}}
\sqrt{x^2} :: |x|
\frac{x}{\sqrt{x}} :: \sqrt x
\sqrt{-x} :: \frac{\sqrt{-x^3}}{-x}
\arcsin x :: \frac{\pi}{2}-\arccos x
\ln(x^3) :: 3\ln x
\ln(x^2) :: 2\ln|x|
\sqrt{1-x^2} :: \cos(\arcsin x)
x^{3/2} :: x\sqrt{x}
x^{-1/2} :: \frac{\sqrt x}{x}
\sqrt{n}-\sqrt{n-1} :: \frac{1}{\sqrt n+\sqrt{n-1}}
\frac{a}{\sqrt{b}} :: \frac{a\sqrt{b}}{b}
\log_2 \sqrt{x} :: \frac12\log_2 x

# counting nouns
12 :: 12 apples ;; 12 twins
3 :: 3 spoons
""")
