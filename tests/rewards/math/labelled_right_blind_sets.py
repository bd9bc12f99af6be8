"""Right answers in the writings that blind sets found refused, by kind: category -> list of (answer, gold)."""

from __future__ import annotations

from tests.rewards.math.labelled import table

RIGHT_BLIND_SETS = table(r"""
# units of physics
25\text{ J} :: 25 ;; 25J ;; 25 J ;; 25 joules ;; \SI{25}{\joule} ;; 0.025 kJ
25 :: 25\text{ J} ;; 25\,\mathrm{N} ;; 25 volts ;; 25 kPa ;; 25 Hz ;; 25 mol
3\text{ kW} :: 3000 W ;; 3000 watts ;; 3 ;; 3 kW
60\text{ Hz} :: 60 ;; 60Hz ;; 60 hertz

# powers behind fractions, and roots of plain TeX
\frac{n}{2}\cdot 3^n :: \frac{n}{2}3^n ;; \frac n2 3^{n}
\frac{n(n+1)}{2}\cdot 2^{n-2} :: \frac{n(n+1)}{2}2^{n-2}
\sqrt[3]{2} :: \root 3 \of 2 ;; \root{3}\of{2}
\sqrt[n]{x+1} :: \root n \of{x+1}

# letters that may have any name
x = k\pi, k \in \mathbb{Z} :: x = n\pi, n\in\mathbb{Z} ;; x=\pi k where k is any integer ;; x = m\pi (m\in\mathbb{Z})
x = k\pi, k \in \mathbb{Z} :: n\pi,\ n\in\mathbb{Z} ;; x = n\pi \text{ for some integer } n
x = k\pi, k \in \mathbb{Z} :: n\pi \quad (n\in\mathbb Z)
x = \frac{\pi}{2} + n\pi, n \in \mathbb{Z} :: x=\frac{(2k+1)\pi}{2}, k\in\mathbb{Z}
x = \frac{\pi}{2} + n\pi, n \in \mathbb{Z} :: x = k\pi+\frac{\pi}{2} (k\in\mathbb{Z})
x = \frac{\pi}{2} + n\pi, n \in \mathbb{Z} :: x = \frac{\pi}{2}+n\pi, \text{ where } n \text{ is an integer}
(2k, k), k\in\mathbb{Z} :: (2n,n), n\in\mathbb{Z} ;; (x,y)=(2t,t) \text{ for } t\in\mathbb{Z} ;; (2m,m) (m\in\mathbb{Z})
(k,k), k\in\mathbb{N} :: (n,n) \text{ for } n\in\mathbb{N}
f(x)=2x+1 :: f(t)=2t+1 ;; f(y)=1+2y ;; f(x)=2x+1 \text{ for all } x ;; f(x)=2x+1 for all real x
f(x)=x^3 :: f(x)=x^3 \text{ for all } x\in\mathbb{R} ;; f(n)=n^3 ;; f(x)=x^3 \text{ for every real number } x
f(x)=0 :: f(x)\equiv 0
f(2)=7 :: 7 ;; f(2)=7.0 ;; 7=f(2)
7 :: f(2)=7 ;; P(3)=7
\text{all } n \ge 5 :: n \ge 5 ;; n\geq5
n \ge 2 :: all n \ge 2 ;; \text{All } n\geq 2

# signs that alternate, of whole numbers
(-1)^{n+1} :: (-1)^{n-1} ;; -(-1)^n ;; (-1)^{1+n}
n(-1)^n :: (-1)^n n ;; (-1)^n\cdot n ;; -n(-1)^{n+1}
\frac{2^n-(-1)^n}{3} :: \frac{2^n+(-1)^{n+1}}{3} ;; \frac{1}{3}(2^n-(-1)^n)
(-2)^n :: (-1)^n2^n
a_n=(-1)^n n :: (-1)^n n ;; a_n=n(-1)^n

# values worked out beside them
120 :: 5 \cdot 24 = 120 ;; 120=5! ;; \binom{10}{3}=120 ;; 8 \times 15 = 120
\frac{1}{2} :: P = 1-\frac{1}{2} = \frac{1}{2} ;; \frac{3}{6}=\frac{1}{2} ;; \frac{1}{2}=0.5

# sets and lists
1,3,9 :: \{1,3,9\} ;; \{9,1,3\}
(3,5),(5,3) :: \{(3,5),(5,3)\} ;; \{(5,3),(3,5)\}
\{0\} :: x=0 ;; \{0\}
(0,1)\cup(1,\infty) :: x>0, x\ne 1 ;; a>0 \text{ and } a\neq 1 ;; x \in (0,\infty), x\ne1
(-2,0)\cup(0,2) :: -2<x<2, x\neq0
x \ge 1, x \ne 2 :: [1,2)\cup(2,\infty) ;; x\ne2, x\ge1
\langle 1,2,3\rangle :: (1,2,3) ;; \langle 1,2,3 \rangle
A, C :: A and C ;; C and A

# lists with units, signs before more terms, names of functions and letters
17 \text{ cm}, 24 \text{ cm} :: 17 cm and 24 cm ;; 17, 24 ;; 24 cm, 17 cm ;; 17 \text{ cm} \text{ and } 24 \text{ cm}
3 \text{ kg}, 5 \text{ kg}, 7 \text{ kg} :: 3 kg, 5 kg, and 7 kg ;; 3,5,7
\pm \frac{2\pi}{3}+2\pi n, n\in\mathbb{Z} :: \pm \frac{2\pi}{3}+2k\pi, k\in\mathbb{Z}
\pm \frac{2\pi}{3}+2\pi n, n\in\mathbb{Z} :: 2\pi n \pm \frac{2\pi}{3}, n\in\mathbb{Z}
1 \pm \sqrt{2} :: \pm\sqrt2 + 1
1 \pm \sqrt{2} + \sqrt{3} :: 1+\sqrt3 \pm\sqrt2 ;; \pm\sqrt2+1+\sqrt3
\operatorname{arctg} 2 :: \arctan 2 ;; \tan^{-1}(2) ;; \arctg 2
\tan\alpha :: \operatorname{tg} \alpha ;; \tg\alpha ;; \mathrm{tg}\,\alpha
\cot x :: \ctg x ;; \operatorname{ctg} x
\phi(n) :: \varphi(n)
\sin\vartheta :: \sin\theta

# ratios
3:4 :: 6:8 ;; 9 : 12
1:2:3 :: 2:4:6
3:5 :: 6:10

# functions of several numbers, and lengths
\max(a,b) :: \max(b,a) ;; \max\{a,b\}
2^{\gcd(m,n)}-1 :: 2^{\gcd(n,m)}-1
\gcd(m,n) :: \gcd(n,m) ;; \gcd\{m,n\}
\frac{(2n)!}{(n!)^2} :: C_{2n}^{n} ;; C_{2n}^n
\binom{n+1}{2} :: C_{n+1}^{2}
AB = 13 :: |AB| = 13
|BC| = 2\sqrt{7} :: BC = \sqrt{28} ;; 2\sqrt7

# sums over i, and dots
\sum_{k=1}^n k :: \sum_{i=1}^n i
\prod_{i=1}^{n} (2i-1) :: \prod_{k=1}^{n} (2k-1)
a_1 + a_2 + \cdots + a_n :: a_1+a_2+\dots+a_n ;; a_1+a_2+...+a_n ;; a_1+a_2+\ldots+a_n
""")
