"""Right answers of a blind set in the writings of published contest data: category -> list of (answer, gold)."""

from __future__ import annotations

from tests.rewards.math.labelled import table

RIGHT_CONTESTS = table(r"""
# subscripts that are letters or words
\frac{r_a r_b}{r_c} :: \frac{r_b r_{a}}{r_{c}} ;; r_ar_b/r_c
x_{\text{max}} :: x_{max} ;; x_{\max} ;; x_{\mathrm{max}}
5 :: S_{\triangle ABC} = 5 ;; V_{\text{cone}} = 5 ;; x_{\min} = 5 ;; f_{\max} = 5 ;; a_n = 5
a_{n} = 3n :: a_n = 3n ;; 3n ;; a_{n}=3 n
S_n = n^2 :: S_{n} = n^{2} ;; S_n=n\cdot n
a_{n+1} = a_n + 2 :: a_n+2 = a_{n+1} ;; a_{n+1}-a_n=2
a_i b_j :: b_ja_i
C_n^2 :: \binom{n}{2} ;; \frac{n(n-1)}{2} ;; C_{n}^{2}
x_1 = 2, x_2 = 3 :: x_{1} = 2, x_{2} = 3 ;; x=2 \text{ or } x=3

# names of values
7 :: f(-1) = 7 ;; f(\frac12) = 7 ;; f(-\sqrt{2}) = 7
\{-1, 0, 1\} :: A\cap B = \{-1,0,1\} ;; A \cup B = \{0, 1, -1\}
[2, 3) :: A \cap B = [2, 3) ;; M\cap N=[2,3)

# nothing at all
\varnothing :: \text{the empty set} ;; \text{empty set} ;; \text{The empty set } \emptyset ;; A \cap B = \varnothing

# degrees and radians
45^\circ :: \frac{\pi}{4} \text{ radians} ;; \frac{\pi}{4}\text{ rad}

# arrows over letters
144 :: \vec{a}\cdot\vec{b}=144 ;; \overrightarrow{AB} \cdot \overrightarrow{AC} = 144 ;; |\vec{a}|=144
144 :: |\overrightarrow{AB}| = 144
\frac{1}{2}\overrightarrow{AB}+\overrightarrow{AC} :: \overrightarrow{AC}+\frac{\overrightarrow{AB}}{2}
\frac{1}{2}\vec{a} + \frac{1}{3}\vec{b} :: \frac{1}{6}(3\vec{a}+2\vec{b}) ;; \dfrac{\vec a}{2}+\dfrac{\vec b}{3}
\langle 1,2 \rangle :: \vec{v} = \langle 1,2\rangle ;; \vec v=(1,2)

# sides of an angle, matrices
\frac12 :: \cos A=\frac12 ;; \sin\theta = \frac12 ;; \cos\angle BAC = \frac{1}{2} ;; \cos \angle ABC=0.5
\cos A = \frac12 :: \cos A=0.5 ;; \frac12 ;; 2\cos A=1
30^\circ :: \angle ABC = 30^\circ ;; m\angle A = 30^\circ
\begin{pmatrix}1&2\\3&4\end{pmatrix} :: A^{-1}=\begin{pmatrix}1&2\\3&4\end{pmatrix}
\begin{pmatrix}1&2\\3&4\end{pmatrix} :: A^{-1}=\frac12\begin{pmatrix}2&4\\6&8\end{pmatrix}

# congruences and cases
n \equiv 1 \pmod{4} :: n \equiv 1 \ (\bmod\ 4) ;; n \equiv 1 (\text{mod } 4) ;; n\equiv 1 (mod 4)
\begin{cases} 1, & n = 1 \\ 2n, & n \geq 2 \end{cases} :: \begin{cases} 1, & n=1, \\ 2n, & n\geqslant 2. \end{cases}
\begin{cases} 1, & n = 1 \\ 2n, & n \geq 2 \end{cases} :: \begin{cases}1&\text{if }n=1\\2n&\text{if }n\ge 2\end{cases}

# what goes without saying of a letter
a_n = 2^{n-1} :: a_n=2^{n-1} (n\in\mathbb{N}^*) ;; a_{n} = 2^{n-1}, n \in \mathbb{N}_+ ;; a_n=2^{n-1}, n \in N^*
f(x)=x+c :: f(x)=x+c \text{ for some constant } c ;; f(x)=x+c, \text{ where } c \text{ is a constant}
f(x)=x+c :: f(x) = c + x \text{ where } c \text{ is an arbitrary real constant}.
\{x\mid x=2k,k\in\mathbb{Z}\} :: \{x : x=2n,n\in\mathbb{Z}\} ;; \{y | y=2k, k\in \mathbb{Z}\} ;; x=2k,k\in\mathbb{Z}
x = \pm\frac{\pi}{3} + 2k\pi, k \in \mathbb{Z} :: x=2n\pi\pm\frac{\pi}{3}, n\in\mathbb{Z}
x = \pm\frac{\pi}{3} + 2k\pi, k \in \mathbb{Z} :: 2k\pi\pm\frac{\pi}{3}, k\in\mathbb{Z}
x<1 \text{ or } x>2 :: x>2 \text{ or } x<1 ;; (-\infty,1)\cup(2,\infty)
""")
