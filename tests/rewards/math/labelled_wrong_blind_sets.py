"""Wrong answers beside the writings of `labelled_right_blind_sets`: category -> list of (answer, gold)."""

from __future__ import annotations

from tests.rewards.math.labelled import table

WRONG_BLIND_SETS = table(r"""
# units of physics
25 :: 25J ;; 25 J ;; 25 N ;; 25 MW ;; 25 mW ;; 25 MHz
25\text{ J} :: 25 W ;; 25 kJ ;; 25 m ;; 25x ;; J ;; 2.5 J ;; 25j
5N :: 5 ;; N ;; 5n
3\text{ kW} :: 3 W ;; 3 kJ ;; 3 MW

# powers behind fractions, and roots of plain TeX
\frac{n}{2}\cdot 3^n :: \frac{n}{23^n} ;; \frac{n3}{2^n} ;; \frac{n}{2}3
\frac{1}{2} :: \frac{1}{2}3^0
\sqrt[3]{2} :: \root 2 \of 3 ;; \sqrt{2} ;; 3\sqrt{2}

# letters that may have any name
x = k\pi, k \in \mathbb{Z} :: x = 2n\pi, n\in\mathbb{Z} ;; x = n\pi, n\in\mathbb{N} ;; x = n\pi, k\in\mathbb{Z}
x = k\pi, k \in \mathbb{Z} :: y = n, n\in\mathbb{Z} ;; x = n\pi ;; \pi ;; x=\pi ;; n\in\mathbb{Z}
x = k\pi, k \in \mathbb{Z} :: x = k\pi, k\in\mathbb{R}
(2k, k), k\in\mathbb{Z} :: (n,2n), n\in\mathbb{Z} ;; (2,1) ;; (2n,n) ;; (2n,m), n\in\mathbb{Z} ;; (2n,k), n\in\mathbb{Z}
(ak, k), k\in\mathbb{Z} :: (aa, a), a\in\mathbb{Z}
f(x)=2x+1 :: f(t)=2x+1 ;; f(t)=t+1 ;; g(t)=2t+1 ;; f(x)=2x+1 for all x > 0 ;; f(2)=5 ;; f(x)=2
P(A)=0.3 :: P(B)=0.3 ;; P(a)=0.3
f(2)=7 :: f(3)=7 ;; g(2)=7 ;; 2 ;; f(7)=2 ;; f=7
7 :: f(7)=2 ;; f(2)=8 ;; f(2)<7 ;; 2f=7
f(a)=3 :: f(b)=3 ;; f(x)=3
AB=BC=12 :: 13 ;; AB=12
12 :: AB=BC=13 ;; AB=13=12
f(x)=ax :: f(a)=a^2 ;; f(a)=ax ;; f(x)=bx
f(x)=0 :: f(x)\equiv 1 ;; f(x)\equiv 0 \pmod 2
\text{all } n \ge 5 :: n > 5 ;; n=5 ;; n \le 5

# signs that alternate, of whole numbers
(-1)^n :: (-1)^{n+1} ;; 1 ;; -1 ;; (-1)^{2n} ;; (-1)^{n}n ;; -1^n
n(-1)^n :: n ;; -n ;; (-n)^n ;; n^{-1}
\frac{2^n-(-1)^n}{3} :: \frac{2^n+(-1)^n}{3} ;; \frac{2^n-1}{3} ;; \frac{2^{n+1}-(-1)^n}{3}
\sin(\pi x) :: 0(-1)^x ;; 0

# values worked out beside them
120 :: 5 \cdot 23 = 120 ;; 120 = 119 ;; 5! = 121 ;; x! = 120 ;; 2x = 120 ;; 4! = 24 ;; 120 = 120 = 121
\frac{1}{2} :: P = 1-\frac{1}{3} = \frac{1}{2} ;; 1=\frac{1}{2} ;; P=Q=1

# sets and lists
1,3,9 :: \{1,3\} ;; \{1,3,9,9\} ;; (1,3,9) ;; \{1,3,9,27\} ;; \{(1,3,9)\}
(3,5),(5,3) :: \{(3,5)\} ;; \{3,5\} ;; \{(3,5),(3,5)\}
\{0\} :: x=1 ;; \{\} ;; 0<x
(0,1)\cup(1,\infty) :: x>0 ;; x\ne1 ;; x>0, x\ne2 ;; x\ge0, x\ne1 ;; x>0 or x\ne1 ;; x>0, y\ne1
(-2,0)\cup(0,2) :: -2<x<2, x\ne1 ;; -2\le x\le2, x\ne0 ;; -2<x<2
\langle 1,2,3\rangle :: (1,3,2) ;; \{1,2,3\} ;; [1,2,3] ;; 1,2,3
A, C :: A and B ;; A ;; A and C and D

# lists with units, signs before more terms, names of functions and letters
17 \text{ cm}, 24 \text{ cm} :: 17 cm ;; 17 cm, 42 cm ;; 17 cm, 24 m ;; 17, 24, 1 ;; 41 cm ;; 17 m and 24 m
2.5 hours :: 2 hours, 3 minutes ;; 2 hours and 30 hours
\pm \frac{2\pi}{3}+2\pi n, n\in\mathbb{Z} :: \frac{2\pi}{3}+2\pi n, n\in\mathbb{Z}
\pm \frac{2\pi}{3}+2\pi n, n\in\mathbb{Z} :: \pm\frac{2\pi}{3}-\pi n, n\in\mathbb{Z}
1 \pm \sqrt{2} :: \pm\sqrt2 - 1 ;; \sqrt2+1 ;; \pm(\sqrt2 + 1)
\operatorname{arctg} 2 :: \tan 2 ;; \arccot 2 ;; \operatorname{arcctg} 2
\tan\alpha :: \operatorname{ctg} \alpha ;; tg
\phi(n) :: \psi(n) ;; \varphi(m)

# ratios
3:4 :: 4:3 ;; 3:5 ;; 6:9 ;; 3:4:5 ;; 8:6 ;; 0:0
1:2:3 :: 2:4:7 ;; 3:2:1 ;; 1:2
3:45 :: 1:15
12:30 :: 6:15 ;; 2:5

# functions of several numbers, and lengths
\max(a,b) :: \min(a,b) ;; \max(a,c) ;; \max\{a\}
2^{\gcd(m,n)}-1 :: 2^{\gcd(m,n)}+1 ;; 2^{\gcd(m,2n)}-1
\frac{(2n)!}{(n!)^2} :: C_{n}^{2n} ;; C_{2n}^{2} ;; C_{2n}^{1}
AB = 13 :: |AC| = 13 ;; |AB| = 31 ;; |A| = 13
X = 5 :: |X| = 5

# sums over i, and dots
\sum_{k=1}^n k :: \sum_{i=1}^n i^2 ;; \sum_{i=0}^{n+1} i ;; \sum_{i=1}^n k
a_1 + a_2 + \cdots + a_n :: a_1+\cdots+a_n+a_1 ;; a_1+a_2+a_n
""")
