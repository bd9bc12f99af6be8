"""A second draw of wrong answers, of the same kinds: category -> list of (answer, gold). None may be accepted."""

from __future__ import annotations

from tests.rewards.math.labelled import table

WRONG_SECOND_DRAW = table(r"""
# more numbers and forms
7 :: 8 ;; 7 or 9 ;; 7, 9 ;; x^3=7 ;; 6=7 ;; 7 cents ;; 7 hundred ;; 7e1 ;; 7_8 ;; \sqrt{7} ;; 7\boxed{7} ;; 6 + 2
7 :: 7 < x ;; {7, 8} ;; seven or eight ;; 7 percent of 3 ;; 7 minus 1 ;; half of 7
7 :: 7 negative ;; twice 7 ;; 7 over 2 ;; negative 7 ;; 7 plus 1 ;; 7 times 2 ;; 7 more than x ;; not equal to 7
7 :: 7 modulo 3 ;; 7k ;; 7M ;; 7 or so ;; more than 7 ;; 7 at most
960 :: 96 ;; 9,60 ;; 960.1 ;; 960 cents ;; 906 ;; 960^2 ;; 960 / 2 ;; 9 60 ;; 0960.5
3,140,000 :: 3.14 ;; 3,140 ;; 314,0000 ;; 3.14 billion ;; 3.14 \times 10^5 ;; 3140000.5
\frac{17}{6} :: 2.833333 ;; 2 \cdot \frac56 ;; 17 ;; 2 6/5 ;; \frac{6}{17} ;; 17, 6 ;; 2.8333333333
5\sqrt{7} :: 13.228757 ;; 7\sqrt{5} ;; 5\sqrt{7}\text{ or }6 ;; 57 ;; 5+\sqrt7 ;; \sqrt{35} ;; 13.2287565553
\frac{1+\sqrt{5}}{2} :: 1.618034 ;; \frac{1-\sqrt{5}}{2} ;; \frac{1\pm\sqrt5}{2} ;; 1+\frac{\sqrt5}{2} ;; 1.6180339887
10^{-12} :: 10^{-13} ;; 0 ;; 2\cdot10^{-12} ;; -10^{-12}
\frac{1}{50!} :: \frac{1}{51!} ;; 0 ;; \frac{1}{49!}
331_4 :: 331_5 ;; 331_{14} ;; 3314 ;; 313_4 ;; 331^4
(-\infty, -3] :: (-\infty,-3) ;; x<-3 ;; x \ge -3 ;; (-3,\infty) ;; -3
[0,1) \cup (1,4] :: [0,4] ;; [0,1]\cup(1,4] ;; [0,1) \cap (1,4] ;; [0,1),(1,5]
\{2, 4, 8\} :: (2,4,8) ;; \{2,4\} ;; \{2,4,8,16\} ;; 14 ;; [2,4,8]
(4, 9) :: (9,4) ;; \{4,9\} ;; [4,9] ;; 4 or 9 ;; 4.9 ;; (4,9) or (9,4)
ab + ac :: ab ;; abc ;; a+bc ;; AB+AC ;; a(b-c) ;; ab+ac=1
2a - 3b :: 3b-2a ;; 2a ;; 2A-3B ;; 2a-3c ;; 6ab
r - s :: s-r ;; r ;; rs ;; r + s ;; R - S
\sin^2 x :: \sin x^2 ;; \cos^2 x ;; \sin 2x ;; \sin x ;; \sin^2 y
y = 3x - 7 :: 3x - 7 = 0 ;; y=3x+7 ;; x=3y-7 ;; y<3x-7 ;; y = 3x - 7 or y = 0
62.5\% :: 62\% ;; 0.625\% ;; 6.25\% ;; 62.5\% or 70\%
\text{Maria} :: Mario ;; Maria or Ann ;; not Maria ;; Mar ;; Ann, Maria
\text{(E)} :: D ;; D or E ;; A, B, C, D, E ;; not E ;; EE
\begin{pmatrix} 2 & 0 \\ 1 & 5 \end{pmatrix} :: \begin{pmatrix} 2 & 1 \\ 0 & 5 \end{pmatrix}
\begin{pmatrix} 2 & 0 \\ 1 & 5 \end{pmatrix} :: \begin{vmatrix} 2 & 0 \\ 1 & 5 \end{vmatrix} ;; 10 ;; (2,0,1,5)
\begin{pmatrix} 2 & 0 \\ 1 & 5 \end{pmatrix} :: \begin{pmatrix} 2 & 0 \\ 1 & 5 \end{pmatrix}^T
\begin{pmatrix} 2 & 0 \\ 1 & 5 \end{pmatrix} :: \begin{pmatrix} 2 & 0 \\ 1 & 5 \end{pmatrix}^{-1}
\begin{pmatrix} 2 & 0 \\ 1 & 5 \end{pmatrix} :: -\begin{pmatrix} 2 & 0 \\ 1 & 5 \end{pmatrix}
40 \text{ mph} :: 40 km/h ;; 40 m ;; 40 hours ;; 40 mph or 50 mph
8 \text{ m} :: 8 cm ;; 8 ft ;; 8 m^2 ;; 8 s ;; 8 feet ;; 8 yards ;; 8 liters ;; 8 dollars ;; 8\%
2 \text{ lb} :: 2 oz ;; 2 kg ;; 2 ounces ;; 2 grams ;; 2 tons
\$1.25 :: 1.25 cents ;; \$125 ;; \$1.52 ;; €1.25 ;; 1.25\%
7:2 :: 2:7 ;; 7:20 ;; 7.2 ;; 72 ;; 7:2:1
4:15 \text{ a.m.} :: 4:15 p.m. ;; 4:51 a.m. ;; 4:15 PM ;; 5:15 a.m.
3 + 4i :: 3-4i ;; 7i ;; 5 ;; (3,4) ;; 3+4 ;; 3 \pm 4i
\log_2 3 :: \log_3 2 ;; \log 3 ;; 1.584963 ;; \log_2 9 ;; \log 23
7! :: 5039 ;; 7 ;; 7!! ;; 8!/9
x^2 - 1 :: x^2 ;; (x-1)^2 ;; x^2-1=0 ;; \pm 1 ;; x^2 - 1 + \frac{1}{10^{12}} ;; \frac{(x^2-1)x}{x+10^{-15}}
x^2 - 1 :: x^2-1.0000000001
\frac{x}{y} :: \frac{y}{x} ;; xy ;; \frac{x}{y^2} ;; x/y/1.000000001
\sqrt{x^2} :: x ;; -x
|x| :: x ;; -x ;; |x|+10^{-14}

# once more, longer ones
11 :: 11 \text{ but maybe } 12 ;; 11\text{, or }12 ;; 11 (if not 12) ;; 11 12 ;; 11\quad 12 ;; 11 \to 12
11 :: 11 \Rightarrow 12 ;; 11 => 12 ;; 11 -> 12 ;; 11, no 12 ;; 11; wait, 12 ;; 11 \neq 12 ;; 11 < 12
11 :: 11 \text{ and } 12 ;; 11 & 12 ;; 11 \wedge 12 ;; 11\\12 ;; 11 \cup 12 ;; 11...12 ;; 11~12 ;; 11/12 ;; 11|12
11 :: (11)(12) ;; 11 12/13 ;; 11 = 11 = 12 ;; 11 \mid 22 ;; 11 \equiv 0 ;; 11 \times 1 + 1 ;; 11 \in \{11, 12\}
11 :: x \in \{11\} \cup \{12\} ;; 11 \pmod{12} ;; f(11) ;; x_{11} ;; a = 11, b = 12 ;; 11^\circ C + 1 ;; {11}{12}
11 :: 11{12} ;; 11.1.1 ;; 11e ;; 11e2 ;; 11E1 ;; 11d ;; 1 1 ;; 1{,}1 ;; 1,1 ;; 11f(x) ;; \lfloor 11.5 \rfloor + 1
11 :: 11! ;; !11 ;; 11 \% 3 ;; 11^{-1} ;; 11_{2} ;; ^{11} ;; _{11} ;; \sqrt{11}^2 + 1 ;; \text{11}12
\frac{7}{8} :: \frac{7}{8}x ;; \frac{8}{7} ;; 7 8 ;; 7/8/9 ;; \frac{7}{8}, \frac{1}{8} ;; 7:9 ;; .87 ;; 0.8750001
\frac{7}{8} :: 87.5 ;; \frac{7}{8}^2 ;; 1 7/8 ;; 7 out of 9 ;; \frac{7}{8 ;; 7//8 ;; \frac{7}{80}
x^2 - 5x + 6 :: (x-2)(x-3)=0 ;; x=2, x=3 ;; x^2-5x+6+y-y+1 ;; (x-1)(x-6) ;; \frac{x^2-5x+6}{2} ;; x^2-5x-6
x^2 - 5x + 6 :: x^2-5x+6.0001 ;; z^2-5z+6 ;; x^2-5x+6 or x^2 ;; x^{2-5x+6} ;; x^2-5(x+6)
-\sqrt{3} :: \sqrt{-3} ;; -1.732051 ;; \sqrt{3} ;; -3 ;; -\sqrt{3}i ;; \pm\sqrt{3}
2\sqrt{2}-2 :: 2\sqrt{2-2} ;; 2\sqrt{2}+2 ;; 0.828427 ;; 2-2\sqrt2 ;; 0.8284271247
(-4,4] \cup \{7\} :: (-4,4] ;; (-4,7] ;; (-4,4]\cup\{8\} ;; (-4,4],7 ;; (-4,4) \cup \{7\}
\left[ -\frac{1}{2}, 2 \right) :: (-\frac12,2) ;; [-\frac12,2] ;; [\frac12,2) ;; [-2,\frac12) ;; x<2
(3, -1), (-3, 1) :: (3,-1) ;; (-3,1) ;; (3,1),(-3,-1) ;; (3,-1,-3,1) ;; (-1,3),(1,-3) ;; (3,-1),(-3,1),(0,0)
-3, -2, 5 :: -3,-2 ;; 3,2,5 ;; -3,-2,5,6 ;; -3 - 2, 5 ;; -32, 5 ;; -3
n(n+1)/2 :: n(n-1)/2 ;; n(n+1) ;; n^2/2 ;; \frac{m(m+1)}{2} ;; n(n+1/2)
\sin x + \cos x :: \sin x - \cos x ;; \sin(x+\cos x) ;; \sqrt{2}\sin x ;; 1 ;; \sin x \cos x ;; \sin y+\cos y
\text{not continuous} :: continuous ;; not differentiable ;; \text{continuous}
\text{Monday, Friday} :: Monday ;; Friday ;; Friday, Sunday ;; Monday or Friday
120 \text{ students} :: 120 teachers and 3 students ;; 120 \text{ hours or } 121 ;; 12 students ;; 1200 students
1.5 \text{ hours} :: 1.5 minutes ;; 15 hours ;; 90 ;; 1.5 hours or 2 hours ;; 1.5 days ;; 1:50 hours
3x + 4y = 12 :: 3x+4y=13 ;; 3x-4y=12 ;; 4x+3y=12 ;; 3x+4y ;; 12 ;; 3x+4y>12 ;; 3x + 4z = 12 ;; (3x+4y)^2=144
3x + 4y = 12 :: (3x+4y-12)(x)=0
x^2 + y^2 = 25 :: x^2+y^2=5 ;; x^2-y^2=25 ;; x+y=5 ;; x^2+y^2 \le 25 ;; 25 ;; x^2+z^2=25
y \ge 2 :: y > 2 ;; y \le 2 ;; (2,\infty) ;; 2 ;; y = 2 ;; y \ge 2 or y = 0
2^{10} \cdot 3^5 :: 2^{10} ;; 248831 ;; 2^{10}+3^5 ;; 6^{15} ;; 2^{5}\cdot3^{10} ;; 2.48832 \times 10^6
\pi :: \pi + 10^{-30} ;; \frac{103993}{33102} ;; 3.14159265358979323846264338327950288 ;; \sqrt{10}
\pi :: 4\arctan(1) + 10^{-20} ;; \frac{245850922}{78256779}
e :: 2.718281828459045 ;; 3 ;; (1+10^{-9})^{10^{9}} ;; \frac{19}{7}
\sqrt{2}+\sqrt{3} :: \sqrt{5} ;; 3.1462643699 ;; \sqrt{2}+\sqrt{3}+10^{-25} ;; \sqrt{5+2\sqrt{6}}+10^{-18}
x :: x + 10^{-40} ;; y ;; X ;; x^1 + 0.0000000001 ;; -x ;; 2x ;; x^2 ;; \sqrt{x^2} ;; |x| ;; x \cdot 1.0000000000001
10^{100} :: 10^{100}+1 ;; 10^{99} ;; 10^{101} ;; 10^{100}-1

# a word that changes the number
7 :: 7 factorial ;; 7 inverse ;; 7 reciprocal ;; 7 negated ;; 7 doubled ;; 7 tripled ;; 7 halved ;; 7 squared
7 :: 7 cubed ;; 7 lakh ;; 7 crore ;; 7 M ;; 7 tens ;; 7 hundreds ;; 7 dozen ;; 7 score ;; 7 gross ;; 7 trillion
7 :: 7 thousandths ;; 7 incorrect ;; 7 rejected ;; 7 wrong ;; 7 maybe ;; 7 repeating ;; 7 permille ;; 7 bps ;; 7 log
7 :: 7 sin ;; 7 cos ;; 7 tan ;; 7 exp ;; 7 sqrt ;; 7 binary ;; 7 octal ;; 7 hex ;; 7 excluded ;; 7 sometimes
7 :: 7 never ;; 7 impossible ;; 7 mod ;; 7\text{ factorial} ;; 7\text{ squared}
7 :: \text{minus }7 ;; minus 7 ;; double 7 ;; the square of 7 ;; 7 and a half ;; 7 remainder 2 ;; 7 R 2
7 :: 7 feet 6 inches ;; 7 hours 30 minutes ;; 7 dollars and 50 cents ;; 7 choose 2 ;; 7 apples and 2 pears
7 :: 7 apples or pears, not both, or 9 ;; 7 below zero ;; 7 base 8
7\pi :: 7\pi squared ;; 7\pi doubled ;; 7\pi\text{ or less}
""")
