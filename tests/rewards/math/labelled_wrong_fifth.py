"""Wrong answers beside the writings of `labelled_right_fifth`: category -> list of (answer, gold)."""

from __future__ import annotations

from tests.rewards.math.labelled import table

WRONG_FIFTH = table(r"""
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
""")
