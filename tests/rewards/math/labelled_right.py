"""Right answers as models write them: category -> list of (answer, gold). A verifier has to accept all of them."""

from __future__ import annotations

from tests.rewards.math.labelled import table

RIGHT = table(r"""
# integer
18 :: 18 ;; 18. ;; 18.0 ;; 18.00 ;; $18$ ;; \boxed{18} ;; $\boxed{18}$ ;; **18** ;; \(18\) ;; \[18\] ;; $$18$$ ;; +18
73 :: **73** ;; \textbf{73} ;; \mathbf{73} ;; \text{73} ;; $73$. ;; x = 73 ;; $x = 73$ ;; n=73 ;; \boxed{73}.
-42 :: -42 ;; $-42$ ;; - 42 ;; −42 ;; \boxed{-42} ;; -42.0 ;; {-42} ;; x = -42
0 :: 0 ;; 0.0 ;; $0$ ;; -0
2516 :: \mathrm{2516} ;; 2{,}516 ;; \fbox{2516} ;; 2516.

# thousands separators
2,125 :: 2125 ;; 2,125 ;; $2,125$ ;; 2{,}125 ;; 2\,125 ;; $2125 ;; \$2,125 ;; 2125.00 ;; 2,125.
2125 :: 2,125 ;; 2\,125 ;; 2{,}125 ;; 2\!,125 ;; 2,\!125 ;; \$2,\!125 ;; \boxed{2,125}
1000000 :: 1,000,000 ;; 1{,}000{,}000 ;; 1\,000\,000 ;; 10^6 ;; 1,\!000,\!000
43,500 :: 43500 ;; $43,500 ;; 43,500 dollars

# money
18 :: 18 dollars ;; $18 ;; \$18 ;; USD 18 ;; $18.00 ;; 18 USD ;; \$18.00 ;; $\$18$ ;; 18\text{ dollars} ;; **$18**
\$5.40 :: 5.4 ;; $5.40 ;; \$5.4 ;; 5.40 ;; 5.40 dollars ;; \boxed{\$5.40}
\$24.90 :: 24.90 ;; $24.9 ;; \$24.90

5.4 \text{ cents} :: 5.4 ;; 5.4 cents ;; 5.40 cents ;; 5.4\text{ cents} ;; \boxed{5.4\text{ cents}}
18 \text{ cents} :: 18 cents ;; 18

# gold in delimiters
$\frac{1}{2}$ :: 1/2 ;; \frac{1}{2} ;; 0.5
\boxed{7} :: 7 ;; \boxed{7} ;; $7$
$7$ :: 7 ;; 7.0
\(x+1\) :: x+1 ;; 1+x

# words and units around the number
34 :: 34 sticks ;; 34 \text{ sticks} ;; 34 hours ;; 34 apples. ;; 34\ \text{sticks} ;; 34 \mathrm{~sticks}
34 :: 34 years old
12 :: 12 cm ;; 12\text{ cm} ;; 12\,\mathrm{cm} ;; 12 meters ;; $12$ meters ;; 12\mbox{ inches}
15\text{ cm}^2 :: 15 ;; 15 cm^2 ;; 15\ \text{cm}^2 ;; 15 cm² ;; 15 \mathrm{~cm}^2 ;; 15\text{ cm}^{2}
5\text{ km} :: 5 km ;; 5 ;; 5\ \mathrm{km} ;; 5.0 km ;; $5$ km ;; 5 kilometers
24 \text{ square feet} :: 24 ;; 24 square feet ;; 24\text{ square feet}

# degrees
90^\circ :: 90 ;; 90° ;; 90^\circ ;; 90^{\circ} ;; 90 degrees ;; $90^\circ$ ;; 90\text{ degrees} ;; \boxed{90^\circ}
76 :: 76^\circ ;; 76° ;; 76 degrees ;; 76^{\circ}

# decimal
326.5 :: 326.5 ;; 326.50 ;; $326.5$ ;; \boxed{326.5} ;; $326.50 ;; 653/2 ;; \frac{653}{2} ;; 326.5.
1.25 :: 1.25 ;; 5/4 ;; \frac{5}{4} ;; 1.250 ;; 1\frac{1}{4}
0.5 :: .5 ;; 0.50 ;; 1/2 ;; \frac12 ;; \dfrac{1}{2}
.0000672 :: 0.0000672 ;; .0000672 ;; 6.72 \times 10^{-5} ;; 6.72\cdot 10^{-5}
6.02 \times 10^{23} :: 6.02\times10^{23} ;; 6.02 \cdot 10^{23}

# fraction
\frac{14}{3} :: 14/3 ;; \frac{14}{3} ;; \dfrac{14}{3} ;; \tfrac{14}{3} ;; $\frac{14}{3}$ ;; \boxed{\frac{14}{3}}
\frac{14}{3} :: \frac{28}{6}
\frac{14}{3} :: 4\frac{2}{3} ;; 4 2/3 ;; \displaystyle\frac{14}{3} ;; {14}/{3} ;; $14/3$ ;; \cfrac{14}{3} ;; 14 / 3
\frac12 :: 0.5 ;; 1/2 ;; \frac{1}{2} ;; \frac12 ;; \frac 12 ;; $\dfrac12$ ;; 2/4 ;; 2^{-1} ;; \boxed{\dfrac{1}{2}}
\frac12 :: ½
\frac 34 :: 3/4 ;; 0.75 ;; .75 ;; \frac{3}{4} ;; \tfrac34
-\frac{35}{9} :: -35/9 ;; \frac{-35}{9} ;; -\dfrac{35}{9} ;; \frac{35}{-9} ;; −35/9 ;; -\frac{70}{18} ;; -3\frac{8}{9}
\frac43 :: 4/3 ;; 1\frac13 ;; 1 1/3 ;; \frac{4}{3}
\frac{9}{256} :: 9/256 ;; 0.03515625 ;; \left(\frac{3}{16}\right)^2 ;; P = \frac{9}{256}

# mixed number
1\frac{4}{5} :: 1 4/5 ;; 9/5 ;; 1.8 ;; \frac95 ;; 1\frac45 ;; 1 \frac{4}{5} ;; 1\ \frac{4}{5}
2\frac{2}{3} :: 2 2/3 ;; 8/3 ;; \frac{8}{3} ;; 2\dfrac{2}{3}
\frac{8}{3} :: 2 2/3 ;; 2\frac{2}{3} ;; 2\tfrac23

# percent
28\% :: 28% ;; 28\% ;; $28\%$ ;; 28 % ;; 28 percent ;; \boxed{28\%} ;; 28.0\%
12.5\% :: 12.5% ;; 12.5\% ;; 12.50\%

# radical and pi
3\sqrt{13} :: 3√13 ;; 3\sqrt{13} ;; 3 \sqrt{13} ;; $3\sqrt{13}$ ;; \sqrt{117} ;; 3\cdot\sqrt{13} ;; \boxed{3\sqrt{13}}
3\sqrt{13} :: 3*sqrt(13)
11\sqrt2 :: 11\sqrt{2} ;; 11√2 ;; \sqrt{242} ;; 11 \sqrt 2 ;; \frac{22}{\sqrt{2}}
\frac{\sqrt{21}}{5} :: \sqrt{21}/5 ;; \frac{1}{5}\sqrt{21} ;; \dfrac{\sqrt{21}}{5} ;; \frac{\sqrt{21}}5 ;; √21/5
\frac{\sqrt{3}}{3} :: \frac{1}{\sqrt{3}} ;; \frac{\sqrt3}{3} ;; 3^{-1/2}
1+2\sqrt{3} :: 2\sqrt{3}+1 ;; 1 + 2\sqrt3 ;; 1+\sqrt{12} ;; 1+2√3
18+2\pi :: 2\pi+18 ;; 18+2π ;; 2(9+\pi) ;; 18 + 2 \pi
288\pi :: 288π ;; 288 \pi ;; 288\pi. ;; $288\pi$ ;; 288*pi ;; \pi \cdot 288
\frac{\pi}{4} :: \pi/4 ;; π/4 ;; 0.25\pi ;; \dfrac{\pi}{4}
2\sqrt[3]{5} :: 2\sqrt[3]{5} ;; \sqrt[3]{40} ;; 2 \cdot 5^{1/3}

# complex
6 - 5i :: 6-5i ;; -5i+6 ;; 6-5\mathrm{i} ;; $6-5i$ ;; 6 - 5 i ;; 6−5i ;; z = 6-5i ;; \boxed{6-5i}
-2 + 7i :: 7i-2 ;; -2+7i ;; -2 + 7\cdot i
1+2i :: 1+2i ;; 2i + 1 ;; 1 + 2i.
-1 :: e^{i\pi} ;; i^2
\frac{1}{2} + \frac{3}{4}i :: \frac12+\frac34 i ;; \frac{2+3i}{4} ;; \frac{1}{2}+\frac{3i}{4}

# base n
52_8 :: 52_8 ;; 52_{8} ;; 52₈ ;; $52_8$ ;; \boxed{52_8} ;; 52_{\text{8}} ;; 52_8.
4210_{5} :: 4210_5 ;; 4210_{5} ;; $4210_{5}$ ;; 4210₅
1101_2 :: 1101_2 ;; 1101_{2}
2B_{16} :: 2B_{16} ;; \text{2B}_{16}

# power and factorial
2^{-99} :: 2^{-99} ;; \frac{1}{2^{99}} ;; 1/2^{99} ;; 0.5^{99}
\frac{1}{2004!} :: \frac{1}{2004!} ;; 1/2004! ;; \dfrac{1}{2004!}
2^{100} - 1 :: 2^{100}-1 ;; -1+2^{100} ;; $2^{100} - 1$ ;; 1267650600228229401496703205375
\binom{10}{3} :: 120 ;; \binom{10}{3}
""")
