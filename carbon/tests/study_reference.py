"""Reference figures for tests/study_reference.rs, by SciPy and statsmodels.

    pip install scipy==1.17.1 statsmodels==0.15.0
    python3 carbon/tests/study_reference.py > carbon/tests/data/study_reference.json

Nothing here is taken from tanso but the rule by which resamples are drawn
(SplitMix64 and Lemire's bounded numbers), written anew.
"""

import json
import math
from fractions import Fraction

import numpy as np
import statsmodels.api as sm
from scipy import optimize, special, stats
from statsmodels.stats.power import TTestPower

# NIST Statistical Reference Datasets, univariate (public domain):
# https://www.itl.nist.gov/div898/strd/univ/homepage.html
LEW = """
-213 -564 -35 -15 141 115 -420 -360 203 -338 -431 194 -220 -513 154 -125 -559 92 -21 -579 -52 99 -543 -175 162 -457
-346 204 -300 -474 164 -107 -572 -8 83 -541 -224 180 -420 -374 201 -236 -531 83 27 -564 -112 131 -507 -254 199 -311
-495 143 -46 -579 -90 136 -472 -338 202 -287 -477 169 -124 -568 17 48 -568 -135 162 -430 -422 172 -74 -577 -13 92 -534
-243 194 -355 -465 156 -81 -578 -64 139 -449 -384 193 -198 -538 110 -44 -577 -6 66 -552 -164 161 -460 -344 205 -281
-504 134 -28 -576 -118 156 -437 -381 200 -220 -540 83 11 -568 -160 172 -414 -408 188 -125 -572 -32 139 -492 -321 205
-262 -504 142 -83 -574 0 48 -571 -106 137 -501 -266 190 -391 -406 194 -186 -553 83 -13 -577 -49 103 -515 -280 201 300
-506 131 -45 -578 -80 138 -462 -361 201 -211 -554 32 74 -533 -235 187 -372 -442 182 -147 -566 25 68 -535 -244 194 -351
-463 174 -125 -570 15 72 -550 -190 172 -424 -385 198 -218 -536 96
"""
LOTTERY = """
162 671 933 414 788 730 817 33 536 875 670 236 473 167 877 980 316 950 456 92 517 557 956 954 104 178 794 278 147 773
437 435 502 610 582 780 689 562 964 791 28 97 848 281 858 538 660 972 671 613 867 448 738 966 139 636 847 659 754 243
122 455 195 968 793 59 730 361 574 522 97 762 431 158 429 414 22 629 788 999 187 215 810 782 47 34 108 986 25 644 829
630 315 567 919 331 207 412 242 607 668 944 749 168 864 442 533 805 372 63 458 777 416 340 436 140 919 350 510 572 905
900 85 389 473 758 444 169 625 692 140 897 672 288 312 860 724 226 884 508 976 741 476 417 831 15 318 432 241 114 799
955 833 358 935 146 630 830 440 642 356 373 271 715 367 393 190 669 8 861 108 795 269 590 326 866 64 523 862 840 219 382
998 4 628 305 747 247 34 747 729 645 856 974 24 568 24 694 608 480 410 729 947 293 53 930 223 203 677 227 62 455 387 318
562 242 428 968
"""
MAVRO = """
2.00180 2.00170 2.00180 2.00190 2.00180 2.00170 2.00150 2.00140 2.00150 2.00150 2.00170 2.00180 2.00180 2.00190 2.00190
2.00210 2.00200 2.00160 2.00140 2.00130 2.00130 2.00150 2.00150 2.00160 2.00150 2.00140 2.00130 2.00140 2.00150 2.00140
2.00150 2.00160 2.00150 2.00160 2.00190 2.00200 2.00200 2.00210 2.00220 2.00230 2.00240 2.00250 2.00270 2.00260 2.00260
2.00260 2.00270 2.00260 2.00250 2.00240
"""
MICHELSO = """
299.85 299.74 299.90 300.07 299.93 299.85 299.95 299.98 299.98 299.88 300.00 299.98 299.93 299.65 299.76 299.81 300.00
300.00 299.96 299.96 299.96 299.94 299.96 299.94 299.88 299.80 299.85 299.88 299.90 299.84 299.83 299.79 299.81 299.88
299.88 299.83 299.80 299.79 299.76 299.80 299.88 299.88 299.88 299.86 299.72 299.72 299.62 299.86 299.97 299.95 299.88
299.91 299.85 299.87 299.84 299.84 299.85 299.84 299.84 299.84 299.89 299.81 299.81 299.82 299.80 299.77 299.76 299.74
299.75 299.76 299.91 299.92 299.89 299.86 299.88 299.72 299.84 299.85 299.85 299.78 299.89 299.84 299.78 299.81 299.76
299.81 299.79 299.81 299.82 299.85 299.87 299.87 299.81 299.74 299.81 299.94 299.95 299.80 299.81 299.87
"""
# NIST Statistical Reference Datasets, linear regression: Norris (y, x).
NORRIS = """
0.1 0.2 338.8 337.4 118.1 118.2 888.0 884.6 9.2 10.1 228.1 226.5 668.5 666.3 998.5 996.3 449.1 448.6 778.9 777.0 559.2
558.2 0.3 0.4 0.1 0.6 778.1 775.5 668.8 666.9 339.3 338.0 448.9 447.5 10.8 11.6 557.7 556.0 228.3 228.1 998.0 995.8
888.8 887.6 119.6 120.2 0.3 0.3 0.6 0.3 557.6 556.8 339.3 339.1 888.0 887.2 998.5 999.0 778.9 779.0 10.2 11.1 117.6
118.3 228.9 229.2 668.4 669.1 449.2 448.9 0.2 0.5
"""
# Cushny & Peebles 1905, as in Student 1908: extra hours of sleep.
SLEEP = ([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4], [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
# Darwin 1876, as in Fisher 1935: heights of crossed and self-fertilised maize, inches.
MAIZE = (
    [23.5, 12, 21, 22, 19.125, 21.5, 22.125, 20.375, 18.25, 21.625, 23.25, 21, 22.125, 23, 12],
    [17.375, 20.375, 20, 20, 18.375, 18.625, 18.625, 15.25, 16.5, 18, 16.25, 18, 12.75, 15.5, 18],
)
CONFIDENCE = 0.95
BOOTSTRAP = {"resamples": 9999, "seed": 20261121}
MASK = (1 << 64) - 1


def numbers(text):
    return [float(word) for word in text.split()]


def generated(first, low, high):
    return [first] + [low, high] * 500


# Name: data and certified mean, standard deviation, lag-1 autocorrelation.
UNIVARIATE = {
    "Lew": (numbers(LEW), -177.435, 277.332168044316, -0.307304800605679),
    "Lottery": (numbers(LOTTERY), 518.958715596330, 291.699727470969, -0.120948622967393),
    "Mavro": (numbers(MAVRO), 2.001856, 0.000429123454003053, 0.937989183438248),
    "Michelso": (numbers(MICHELSO), 299.8524, 0.0790105478190518, 0.535199668621283),
    "NumAcc1": ([10000001.0, 10000003.0, 10000002.0], 10000002.0, 1.0, -0.5),
    "NumAcc2": (generated(1.2, 1.1, 1.3), 1.2, 0.1, -0.999),
    "NumAcc3": (generated(1000000.2, 1000000.1, 1000000.3), 1000000.2, 0.1, -0.999),
    "NumAcc4": (generated(10000000.2, 10000000.1, 10000000.3), 10000000.2, 0.1, -0.999),
}


def univariate():
    """Mean and deviation in exact arithmetic of the binary figures."""
    for name, (data, mean, sd, lag1) in UNIVARIATE.items():
        exact = [Fraction(x) for x in data]
        centre = sum(exact) / len(exact)
        squares = sum((x - centre) ** 2 for x in exact)
        products = sum((a - centre) * (b - centre) for a, b in zip(exact, exact[1:]))
        median = float(np.median(data))
        yield {
            "name": name, "data": data, "mean": float(centre), "sd": math.sqrt(squares / (len(exact) - 1)),
            "lag1": float(products / squares), "median": median,
            "mad": float(stats.median_abs_deviation(data)), "certified": [mean, sd, lag1],
        }


def splitmix64(seed):
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def resamples(count):
    """Places of each resample, drawn as documented in study/random.rs."""
    source = splitmix64(BOOTSTRAP["seed"])
    threshold = (-count & MASK) % count
    for _ in range(BOOTSTRAP["resamples"]):
        places = []
        while len(places) < count:
            product = next(source) * count
            if product & MASK >= threshold:
                places.append(product >> 64)
        yield places


def mean_in_order(values):
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def bca(samples, of_places):
    """SciPy's own BCa on resamples drawn as documented."""
    count = len(samples[0])
    drawn = np.array([of_places(places) for places in resamples(count)])

    class Drawn:
        bootstrap_distribution = drawn

    # The places are the sample, so that SciPy's jackknife goes through of_places too.
    result = stats.bootstrap(
        (np.arange(count),), lambda places: of_places([int(p) for p in places]), vectorized=False, method="BCa",
        n_resamples=0, bootstrap_result=Drawn, confidence_level=CONFIDENCE,
    )
    return list(result.confidence_interval)


def fieller(d, x):
    """Where the t statistic of d - rho x meets the quantile."""
    n = len(d)
    quantile = stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1)

    def t(rho):
        rest = d - rho * x
        return rest.mean() / (rest.std(ddof=1) / math.sqrt(n))

    middle = d.mean() / x.mean()
    solve = lambda low, high, at: optimize.brentq(lambda r: t(r) - at, low, high, xtol=1e-15, rtol=1e-14)
    span = 1 + abs(middle)
    ends = [solve(middle - span, middle, quantile), solve(middle, middle + span, -quantile)]
    return sorted(ends)


def paired():
    lew = numbers(LEW)
    shifted = [x + 1000 for x in lew]
    for name, (arm, against) in {"sleep": SLEEP, "maize": MAIZE, "Lew halves": (shifted[0::2], shifted[1::2])}.items():
        a, b = np.array(arm), np.array(against)
        d, n = a - b, len(a)
        test = stats.ttest_rel(a, b)
        wide = test.confidence_interval(1 - (1 - CONFIDENCE) / 4)
        interval = test.confidence_interval(CONFIDENCE)
        root = lambda p: optimize.brentq(lambda nc: stats.nct.cdf(test.statistic, n - 1, nc) - p, -20, 20, xtol=1e-14)
        tail = (1 - CONFIDENCE) / 2
        df = n - 1
        j = math.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / math.sqrt(df / 2)
        dz = d.mean() / d.std(ddof=1)
        values, base = list(map(float, d)), list(map(float, b))
        mean = lambda places: mean_in_order([values[p] for p in places])
        ratio = lambda places: mean(places) / mean_in_order([base[p] for p in places])
        relative = abs(b.mean()) > 4 * b.std(ddof=1) / math.sqrt(n)
        yield {
            "name": name, "arm": list(map(float, a)), "against": base, "meanArm": a.mean(), "meanAgainst": b.mean(),
            "difference": d.mean(), "sd": d.std(ddof=1), "interval": list(interval), "sharedIntervalOfFour": list(wide),
            "pValue": test.pvalue, "effectSize": dz,
            "effectSizeInterval": [root(1 - tail) / math.sqrt(n), root(tail) / math.sqrt(n)], "hedgesG": dz * j,
            "relative": d.mean() / b.mean(), "relativeInterval": fieller(d, b) if relative else None,
            "bootstrapInterval": bca((d,), mean), "relativeBootstrapInterval": bca((d,), ratio) if relative else None,
        }


def distributions():
    shares = [1e-6, 0.001, 0.025, 0.2, 0.5, 0.7, 0.95, 0.9975]
    return {
        "normalQuantile": [[p, stats.norm.ppf(p)] for p in shares],
        "tQuantile": [[p, df, stats.t.ppf(p, df)] for p in shares for df in (1, 2, 5, 9, 29, 200, 5000)],
        "tCdf": [[t, df, stats.t.cdf(t, df)] for t in (-12.0, -2.1, -0.3, 0.0, 0.01, 1.7, 6.0) for df in (1, 3, 9, 29, 999)],
        "noncentralTCdf": [
            [t, df, delta, stats.nct.cdf(t, df, delta)]
            for t in (-2.0, 0.5, 2.045, 6.0) for df in (2, 9, 29, 300) for delta in (-1.0, 0.3, 2.5, 5.0)
        ],
    }


def power():
    test = TTestPower()
    return {
        "power": [[d, n, test.power(d, n, 0.05)] for d in (0.1, 0.5, 1.2) for n in (3, 10, 30, 200)],
        "pairsNeeded": [
            [d, p, math.ceil(float(np.squeeze(test.solve_power(effect_size=d, power=p, alpha=0.05))))]
            for d in (0.1, 0.25, 0.5, 1.0) for p in (0.8, 0.9, 0.95)
        ],
        "detectable": [
            [n, p, optimize.brentq(lambda d: test.power(d, n, 0.05) - p, 0.01, 8 / math.sqrt(n), xtol=1e-14)]
            for n in (5, 30, 100) for p in (0.8, 0.9)
        ],
    }


def drift():
    pairs = numbers(NORRIS)
    michelso = numbers(MICHELSO)
    cases = {
        "Norris": (pairs[1::2], ["one"] * 36, pairs[0::2]),
        "Lew": (list(map(float, range(1, 201))), ["one"] * 200, numbers(LEW)),
        "Michelso in four arms": (
            list(map(float, range(1, 101))), [("a", "b", "c", "d")[(i * 7 + i // 4) % 4] for i in range(100)], michelso,
        ),
    }
    for name, (order, arms, values) in cases.items():
        x, y = np.array(order), np.array(values)
        dummies = np.array([[float(arm == one) for one in sorted(set(arms))] for arm in arms])
        fit = sm.OLS(y, np.column_stack([x, dummies])).fit()
        low, high = fit.conf_int(1 - CONFIDENCE)[0]
        # By exact means: a mean's last digit would make or break ties of residuals.
        exact = [Fraction(v) for v in values]
        means = {a: sum(v for v, b in zip(exact, arms) if b == a) / arms.count(a) for a in set(arms)}
        rest = np.array([v - float(means[a]) for v, a in zip(values, arms)])
        place = np.argsort(x, kind="stable")
        sen = stats.theilslopes(rest[place], x[place], alpha=CONFIDENCE)
        tau = stats.kendalltau(x[place], rest[place], method="asymptotic")
        yield {
            "name": name, "order": order, "arms": arms, "values": values, "slope": fit.params[0], "slopeError": fit.bse[0],
            "slopeInterval": [low, high], "pValue": fit.pvalues[0], "rankSlope": sen.slope,
            "rankSlopeInterval": [sen.low_slope, sen.high_slope], "tau": tau.statistic, "tauPValue": tau.pvalue,
        }


def strata():
    """A mean over two parts, by Welch's test of the first against less the second, and its blocks against a control."""
    michelso, mavro = numbers(MICHELSO), [300 * x for x in numbers(MAVRO)]
    cases = {
        "Michelso in halves": (michelso[:50], michelso[50:], michelso[25:75], 0.5),
        "Michelso and Mavro, one in sixty": (michelso[:50], mavro, michelso[50:], 1 / 60),
        "parts of unequal numbers": (michelso[:37], mavro[:5], michelso[40:45], 0.3),
    }
    for name, (quiet, sync, control, share) in cases.items():
        a, b = (1 - share) * np.array(quiet), share * np.array(sync)
        welch = stats.ttest_ind(a, -b, equal_var=False)
        # The mean of a + b is that of a less that of -b.
        count = min(len(quiet), len(sync), len(control))
        block = a[:count] + b[:count]
        test = stats.ttest_rel(block, np.array(control[:count]))
        yield {
            "name": name, "quiet": quiet, "sync": sync, "control": control, "share": share, "mean": a.mean() + b.mean(),
            "error": math.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)), "degreesOfFreedom": welch.df,
            "interval": list(welch.confidence_interval(CONFIDENCE)),
            "blockDifference": float((block - np.array(control[:count])).mean()),
            "blockInterval": list(test.confidence_interval(CONFIDENCE)),
        }


def main():
    print(json.dumps({
        "confidence": CONFIDENCE, "bootstrap": BOOTSTRAP, "univariate": list(univariate()), "paired": list(paired()),
        "distributions": distributions(), "power": power(), "drift": list(drift()),
        "strata": list(strata()),
    }, separators=(",", ":"), default=float).replace("},{", "},\n{"))


if __name__ == "__main__":
    main()
