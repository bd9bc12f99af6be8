"""Wrong answers beside the writings of `labelled_right_contests`: category -> list of (answer, gold)."""

from __future__ import annotations

from tests.rewards.math.labelled import table

WRONG_CONTESTS = table(r"""
# subscripts that are letters or words
\frac{m_a}{m_b} :: 1 ;; \frac{m_b}{m_a}
m_a - m_b :: 0 ;; m_b - m_a
x_a + 2 :: x_b+2 ;; x+2 ;; x_a a + 2
a_n = 3 :: a_m = 3 ;; a_k=3 ;; b_n = 3
a_n + a_m :: 2a_n ;; 2a_m
a_{n+1} = a_n + 2 :: a_{m+1}=a_m+2 ;; a_{n+1} = a_k+2 ;; a_n = a_{n+1} + 2
\frac{r_a r_b}{r_c} :: r_a ;; \frac{r_a r_c}{r_b}
x_{max} :: x_{min} ;; x_{\min}
x_{\text{max}} :: x_{\text{min}}
a_{2^{n+1}} + 1 :: a_{2^n+1} + 1
b_{ij}+1 :: b_{ji}+1 ;; b_i j+1 ;; b_{i}j + 1
C_n^2 :: C_m^2 ;; C_n^3 ;; \binom{m}{2}
x_10 + 1 :: x_20 + 1 ;; x_1 + 1
\frac{v_{\alpha}}{v_{\beta}} :: 1 ;; \frac{v_\beta}{v_\alpha}
2T_{AB} :: 2T_{AC} ;; T_{AB}+T_{BC}
a_{1,2} + 1 :: a_{1,3} + 1 ;; a_{2,1} + 1

# names of values
7 :: f(-1) = -7 ;; f(-7) ;; f(-1) < 7 ;; f(7) = -1
f(-1) = 7 :: f(1) = 7 ;; f(-1) = -7 ;; f(-7) = 1
\{-1, 0, 1\} :: A\cap B = \{-1,1\} ;; A \cap B
A \cap B = \{1\} :: A \cup B = \{1\} ;; A \cap C = \{1\}

# nothing at all
\varnothing :: \text{not the empty set} ;; \{\emptyset\} ;; \text{an empty set of rules}

# degrees and radians
45^\circ :: \frac{\pi}{3} \text{ radians} ;; 45 \text{ rad} ;; -\frac{\pi}{4}\text{ rad} ;; \frac{\pi}{4}^\circ

# arrows over letters, sides of an angle, matrices, cases, declared letters
144 :: \vec{a}\cdot\vec{b}=-144 ;; \vec{a}\times\vec{b} \vec{c} ;; 2\vec{a}\cdot\vec{b}=144
\vec{a}\times\vec{b} :: \vec{b}\times\vec{a} ;; \vec{a}\cdot\vec{b}
|\vec a+\vec b| :: |\vec{a}|+|\vec{b}| ;; |\vec a-\vec b|
|\vec a||\vec b| :: |\vec a \cdot \vec b| ;; \vec a\cdot\vec b
(\vec a\cdot\vec b)\vec c :: \vec a(\vec b\cdot\vec c) ;; (\vec a\cdot\vec c)\vec b
\vec{AB} :: \vec{BA} ;; AB ;; \vec{A}B
\vec{a}^2 + 1 :: a^2 + 1
\frac12\vec a :: \frac12 a ;; \frac12\vec b ;; \frac12|\vec a|
\frac{1}{2}\overrightarrow{AB}+\overrightarrow{AC} :: \frac12\overrightarrow{AC}+\overrightarrow{AB}
\frac{1}{2}\overrightarrow{AB}+\overrightarrow{AC} :: \frac12\overrightarrow{BA}+\overrightarrow{AC}
\vec{a_1}+\vec{a_2} :: 2\vec{a_1} ;; 2\vec a
\cos A = \frac12 :: \cos B=\frac12 ;; \sin A = \frac12 ;; A=\frac12 ;; \cos A=-\frac12
\frac12 :: \cos x = \frac12 ;; \sin A = \frac13 ;; \sin A < \frac12 ;; 2\sin A=\frac12
\frac{\pi}{3} :: \cos A = \frac12 ;; \cos \frac{\pi}{3}
a \le -1 \text{ or } a \ge 2 :: a\le -1 \text{ and } a\ge 2 ;; a \ge -1 \text{ or } a\ge 2
x>2 \text{ or } x<5 :: x>2, x<5 ;; 2<x<5
n \equiv 1 \pmod{4} :: n \equiv 1 \ (\bmod\ 8) ;; n \equiv 1 (\text{mod } 3) ;; n\equiv -1 \pmod 4
x \ne 1 \text{ or } x \ne 2 :: x \ne 1, x\ne 2 ;; x\ne 1
a_n = 2^{n-1} :: a_n = 2^{n-1}, n \in \mathbb{R} ;; a_n = 2^{n-1}, n\ge 2 ;; a_n=2^n, n\in\mathbb{N}^*
a_n = 2^{n-1} :: a_k = 2^{n-1}, k\in\mathbb{N}
f(x)=x+c :: f(x)=x+c \text{ for some positive constant } c ;; f(x) = x+2c \text{ for some constant } c
f(x)=x+c :: f(x)=cx \text{ where } c \text{ is a constant}
f(x)=x+c :: f(x) = x + c, \text{ where } c \text{ is a constant integer}
f(x)=x :: f(x)=x+c \text{ for any constant } c
A = \begin{pmatrix}1&2\\3&4\end{pmatrix} :: A^{-1}=\begin{pmatrix}1&2\\3&5\end{pmatrix}
A = \begin{pmatrix}1&2\\3&4\end{pmatrix} :: A^2 = \begin{pmatrix}1&2\\3&4\end{pmatrix}
5 :: A^{-1} = 5 ;; A^2 = 5 ;; B^2=5
\{x\mid x=2k,k\in\mathbb{Z}\} :: \{x\mid x=4k,k\in\mathbb{Z}\} ;; \{2\} ;; \{x\mid x=2k,k\in\mathbb{N}\}
\{x\mid x=2k,k\in\mathbb{Z}\} :: \{x\mid x=2x,k\in\mathbb{Z}\} ;; 2k
a_n = \begin{cases} 1, & n = 1 \\ 2n, & n \geq 2 \end{cases} :: a_n=\begin{cases}1,&n=1\\2n,&n\ge 3\end{cases}
a_n = \begin{cases} 1, & n = 1 \\ 2n, & n \geq 2 \end{cases} :: a_n=\begin{cases}1,&n=1\\2n\end{cases}
a_n = \begin{cases} 1, & n = 1 \\ 2n, & n \geq 2 \end{cases} :: a_n=\begin{cases}.1,&n=1\\2n,&n\ge 2\end{cases}
x = \pm\frac{\pi}{3} + 2k\pi, k \in \mathbb{Z} :: y=2k\pi\pm\frac{\pi}{3}, k\in\mathbb{Z}
x = \pm\frac{\pi}{3} + 2k\pi, k \in \mathbb{Z} :: x=k\pi\pm\frac{\pi}{3}, k\in\mathbb{Z}
x = \pm\frac{\pi}{3} + 2k\pi, k \in \mathbb{Z} :: x=2k\pi\pm\frac{\pi}{3}, k\in\mathbb{N}
x = \pm\frac{\pi}{3} + 2k\pi, k \in \mathbb{Z} :: x=2k\pi+\frac{\pi}{3}, k\in\mathbb{Z}
\cos 60^\circ :: \cos \angle A = 60^\circ ;; \sin\angle A = \frac12 \angle B
30^\circ :: \sin \angle A = 30^\circ ;; 2\angle A = 30^\circ ;; \angle A + \angle B = 30^\circ
""")
