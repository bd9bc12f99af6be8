"""Wrong answers near those of `labelled_right_third_reader`: category -> list of (answer, gold). All are refused."""

from __future__ import annotations

from tests.rewards.math.labelled import table

WRONG_THIRD_READER = table(r"""
# names of several values
n=2,3,4 :: n=2,3 ;; n=2,3,4,5 ;; m=2,3,4 ;; (2,3,4) ;; 2
(a,b,c)=(1,2,3) :: (3,2,1) ;; a=1,b=3,c=2 ;; 1,2,3 ;; \{1,2,3\} ;; (b,a,c)=(1,2,3) ;; a=1,b=2
a=1,b=2 :: 1,2 ;; a=2,b=1 ;; a=1 or b=2 ;; (2,1) ;; \{1,2\} ;; x=1,y=2
(3,-4) :: x=-4,y=3 ;; y=3,x=-4 ;; x=3,-4 ;; 3,-4
x=1,y=2 \text{ or } x=2,y=1 :: x=1,y=1 or x=2,y=2 ;; x=1,y=2 ;; (1,1),(2,2)
(x,y)=(1,2),(2,1) :: (1,2) ;; (1,1),(2,2) ;; x=1,2 ;; x=1,y=2
x=5 :: x=y=5 ;; x\in\{5,6\}
1,2 :: x=1,y=2
5 :: x=5,6 ;; x=y=6
\{1,2\} :: x=1,y=2 ;; x=1
y=2x+1 :: y=2x+2 ;; x=2y+1
x_1=2,x_2=3 :: x_1=3,x_2=2
x=1,y=3 \text{ or } x=2,y=4 :: x_1=1,y_1=3,x_2=7,y_2=4,x_2=2 ;; x_1=1,y_1=3,x_2=2 ;; x_1=1,y_1=4,x_2=2,y_2=3
x=2 \text{ or } y=4 :: x_1=1,x_1=2,y_2=3,y_2=4 ;; x=2,y=4
(x_1,y_1)=(1,3),(x_2,y_2)=(2,4) :: x_1=1,y_1=4,x_2=2,y_2=3 ;; (x_1,y_1)=(2,4),(x_2,y_2)=(1,3) ;; (1,3)
(a,b)=(1,2),c=3 :: (1,2),3 ;; a=1,b=2 ;; (a,b)=(2,1),c=3
(b,a)=(1,2),c=3 :: (1,2,3) ;; a=1,b=2,c=3
(a,b)=(1,2) \text{ or } (c,d)=(3,4) :: a=1,b=2,c=3,d=4
(x,y)\in\{(1,2),(2,1)\} :: (x,y)=(1,2) ;; (x,y)\in\{(1,2),(2,2)\} ;; x\in\{(1,2),(2,1)\} ;; x=1,y=2
x=1,y=\pm2 :: x=1 or y=2 or y=-2 ;; x=1 or y=\pm2 ;; (1,2) ;; (1,2),(-1,-2)
x=1,y\in\{2,3\} :: x=1 or y=2 or y=3 ;; x=1,y=2,y=3
x=\pm1,y=\pm2 :: (1,2),(-1,-2) ;; (1,2),(1,-2),(-1,2),(-1,-2) ;; x=\pm1 or y=\pm2 ;; x=1,y=2 or x=-1,y=-2
x=\pm1,y=\pm2 :: x=1,y=2 or x=1,y=-2 or x=-1,y=2 or x=-1,y=-2
a,b,c,d,p,q,r=1 :: a=\pm1,b=\pm1,c=\pm1,d=\pm1,p=\pm1,q=\pm1,r=\pm1
2 :: 2 or ;; 2 \text{ or } ;; x=2 or ;; 2, or ;; or 2
2,3 :: 2 or 3 or ;; 2, 3 and ;; x=2 or x=3 or ;; and 2, 3
x=2 \text{ or } x=3 :: x=2 or x=3 or ;; x=2 or

# units at the number, ordinals, bases and choices
60 :: 60x ;; 60k ;; 60i ;; 60e ;; 60a ;; 60d ;; 60M ;; 60K ;; 60n ;; 60 triplets ;; 61m ;; 60%
60m :: 60 ;; 60x ;; 60n ;; 60 s ;; 6m
12\text{ s} :: 12m ;; 12h ;; 12x ;; 12 minutes
3x :: 3
3m :: 3
2s :: 2
A5_{16} :: A5_{\text{fifteen}} ;; A5_{\text{seventeen}}
A_2 :: A_{\text{two}} ;; A \text{ base } 2
1101_2 :: 1101_{\text{three}} ;; 1101 ;; 1101 base 3
5 :: 5nd ;; 5rd ;; 5t ;; 6th ;; 1/5th ;; 5 fifths
2.5 hours :: 2 hours 50 minutes ;; 2 minutes 30 hours ;; 30 minutes 2 hours ;; 2 hours 30 seconds
2 :: 2 hours 30 minutes
\text{(C)} :: (A)(C) ;; (D) 24 ;; (A), (C) ;; 24
\textbf{(C)}\ 24 :: (C) 25 ;; (D) 24 ;; 25 ;; D
\emptyset :: no ;; none of these solutions
\text{no real solutions} :: no solution ;; no integer solutions ;; 0
h=60 :: 60x

# sets of real numbers
x \ne 0 :: x=0 ;; x>0 ;; x\ne1 ;; \mathbb{R} ;; \mathbb{R}\setminus\{1\} ;; (-\infty,0]\cup(0,\infty)
x \ne 0 :: \mathbb{Z}\setminus\{0\} ;; 0 ;; \{0\} ;; y\ne0 ;; x<0
x \ne 0 :: \mathbb{R}\smallsetminus\{1\} ;; \mathbb{R} \setminus {1}
\mathbb{R}\setminus\{1,2\} :: \mathbb{R}\setminus\{1\} ;; \{1,2\} ;; x\ne1 or x\ne2 ;; 1,2
(-\infty,-2)\cup(2,\infty) :: |x|<2 ;; |x|\ge2 ;; x>2 ;; |x|>3
[-1,1] :: |x|<1 ;; |x|\ge1
\mathbb{R} :: R ;; \mathbb{Z} ;; \mathbb{R}\setminus\{0\} ;; \mathbb{C}
(2,5) :: |x-3.5|<1.5
0 :: x\ne0

# products without a sign
n\cdot 2^{n-1} :: n2^n ;; n2 ;; (2n)^{n-1} ;; n^2
(n-2)2^{n}+1 :: 2^n(n+2)+1 ;; (n-2)2^{n+1}
2x :: x2 ;; x^2
18 :: 9|2 ;; |18
8 :: 1(8 ;; {1}8 ;; 1 8
2|x| :: |2|x ;; |x|^2 ;; 2x ;; |x+2|
2u+3 :: 2+3u ;; 2u+3v ;; 3u
x5 :: 5x
\text{CO2} :: 2CO ;; C2O
\text{June 20} :: 20 June n
12 :: 1{2} ;; {12 ;; 3|4
3n :: n3+1 ;; n^3
6 :: \frac{2}{3}9 ;; \frac{1}{2}12
2^n\lfloor x\rfloor :: \lfloor x\rfloor 2n ;; \lfloor x 2^n\rfloor ;; \lceil x\rceil 2^n
2^n\binom{n}{2} :: \binom{n}{2}2n ;; \binom{n}{2^n}2 ;; \binom{2n}{2}^n
10 :: \binom{5}{2}1 ;; \binom{5}{2}10

# writings
\frac{x^2}{4} :: {4 \over x^2} ;; x^{2 \over 4} ;; {x \over 4}^2
1500 :: \num{1.5e2} ;; \num{1.5}
9.8\text{ m/s}^2 :: \SI{9.8}{m.s^{-1}} ;; \SI{9.8}{m.s^2}
\lim_{x\to 0} f(x) :: \lim_{x\rightarrow 1} f(x) ;; \lim_{x\leftarrow 0} f(x)
5\text{ km} :: \SI{5}{\meter} ;; \SI{5}{\kilo\gram} ;; \SI{5}{\square\kilo\meter}
0.5 liters :: 500 cm^2 ;; 50 cm^3 ;; 500 l ;; \SI{500}{\cubic\metre}
\frac{1}{3} :: 0.\dot{4} ;; 0.(33 ;; 0.3(3
(2,\infty) :: [2,\infty[ ;; ]-\infty,2[
\sum_{k=1}^{n} k^2 :: \sum_{k=1}^{n} k ;; \sum_{k=2}^{n} k^2
\sum_{k=1}^{10} k :: \sum_{k=1}^10 k
n\equiv 2\pmod 5 :: n\equiv2\pmod 6
\frac{\pi}{4}+k\pi, k\in\mathbb{Z} :: \frac{\pi}{4}+2k\pi, k\in\mathbb{Z} ;; \frac{\pi}{4}+k\pi, k\in\mathbb{N}
a_n=3n-1 :: b_n=3n-1 ;; 3n+1
y=2x+3 :: 2x+3
C_1^2 :: 0
2e-1 :: 0.2
x>2 :: \{x\in\mathbb{Z}: x>2\} ;; \{2x | x>2\}
9.8 :: \num{9.8e1}
0.00001 :: e-5 ;; 1e-4 ;; 1e5

# roots at negative values
\sqrt{-x} :: i\sqrt x ;; \sqrt{x}
\sqrt{1-x^2} :: \sqrt{1+x^2}
\sqrt{-1-x^2} :: 2\sqrt{-1-x^2}
\sqrt{-3} :: -\sqrt{-3}
\sqrt{x-5} :: -\sqrt{x-5}
\sqrt{a^2b} :: a\sqrt b
\ln|x| :: \ln x
|x| :: (\sqrt{x})^2
\sqrt{1-x} :: \sqrt{x-1} ;; \sqrt{|1-x|}

# counting nouns
12 :: 12 triplets ;; 12 quartets ;; 12 braces ;; 12 quires ;; 12 reams ;; 12 octets ;; 12 couplets ;; 12 gazillions
12 :: 12 tenths ;; 12 singletons ;; 12 millionths ;; 12 yokes ;; 12 sextets
""")
