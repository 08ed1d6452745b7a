"""Texts that would do something if any page, chart or directive took them for more than text."""

MARK = "window.injected=1"
HOSTILE = (
    f"</script><script>{MARK}</script>",
    f"<img src=x onerror={MARK}>",
    f"\"><svg onload='{MARK}'>",
    f"'-alert(1)-' onmouseover={MARK} x='",
    f"[a](javascript:{MARK})",
    f"javascript:{MARK}",
    f"``` \n:::{{raw}} html\n<script>{MARK}</script>\n:::",
    f"{{raw-html}}`<script>{MARK}</script>` {{glue:text}}`x` {{numref}}`y` $x$ | *a* _b_ # c",
    f"<!--<script>{MARK}</script>-->",
    f"]]><iframe srcdoc='<script>{MARK}</script>'>",
    f"'+constructor.constructor('{MARK}')()+'",
    f"&lt;script&gt;{MARK}&#60;/script&#62;",
    "left \u202eright\u2066 \u200bzero\ufeff width \u2028 line",
)
HALF = "half \ud800 pair \x00 \x1b[31m"
