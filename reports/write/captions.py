"""The name of each figure of the report, and the sentence below it, in both languages."""

TITLES = {
    "gates": ("Gates: what each allows, and how much was used", "门限：允许多少、用掉多少"),
    "survival": ("Time from payment to the end", "从付款到完结的时间"),
    "outcomes": ("How orders ended, by time since payment", "付款后随时间的结局"),
    "open_orders": ("Open orders over time", "未完结订单随时间变化"),
    "heat": ("When orders were paid, and how long they took", "何时付款、用时多久"),
    "recovery": ("Overdue orders around each fault", "各故障前后的超期订单"),
    "capacity": ("Backlog against offered load", "积压与负载"),
    "alluvial": ("From the state an order got stuck in, by cause, to its end", "卡住的状态 → 原因 → 结局"),
    "causes": ("Causes: broken on purpose, and found", "原因：注入与归因"),
    "confusion": ("What was broken against what was found", "注入与归因对照"),
    "honesty": ("Status honesty", "状态是否属实"),
    "lag": ("How far pages were behind the truth", "页面落后于事实多久"),
    "latency": ("Answer times", "响应时间"),
}
CAPTIONS = {
    "gates": (
        "A gate passes when the 95 % bound (one-sided, the line's end) on its bad side keeps the limit, fails when the "
        "other bound breaks it, and is inconclusive between.",
        "坏的一侧 95% 单侧界限（线段端点）仍在限内则通过；另一侧也越过限值则未通过；介于其间为结论不足。",
    ),
    "survival": (
        "Share of paid orders still open so long after the money was taken (Kaplan–Meier, log-log 95 % band). Orders "
        "open at the end count as open for as long as they were followed, never as ended. Dashed: "
        "not yet asked for at an upstream. Linear below 1 %.",
        "扣款之后仍未完结的已付订单比例（Kaplan–Meier，log-log 95% 置信带）。"
        "结束时仍未完结的订单按已跟踪的时长计，绝不当作已完结。虚线：尚未向上游要货。1% 以下为线性刻度。",
    ),
    "outcomes": (
        "Aalen–Johansen shares of paid orders; at every moment they sum to 100 %. Held or with a person is an end of "
        "its own kind.",
        "已付订单的 Aalen–Johansen 份额，任一时刻合计 100%。审核或人工处理单独计为一种结局。",
    ),
    "open_orders": (
        "Paid orders that had not ended, by what the page showed. Bars above: when each fault was in force (orange: "
        "given by a time window; grey: given by orders or rate).",
        "尚未完结的已付订单，按页面显示的状态堆叠。上方条带：各故障生效的时段（橙色按时间窗，灰色按订单或比例）。",
    ),
    "heat": (
        "Each column holds the orders paid in that stretch of the load; darker is more. The row × holds those that "
        "had not ended. Strips above: when faults were in force.",
        "每列为该时段付款的订单，颜色越深越多。标 × 的一行为未完结者。上方条带：故障生效的时段。",
    ),
    "recovery": (
        "Open orders past their threshold, from before each fault until the shop had recovered.",
        "各故障之前直到恢复期间，超过阈值的未完结订单。",
    ),
    "capacity": (
        "Orders due and orders ended a second, and the paid orders left open, by steps of the load (wire). Where due "
        "stays above ended, the backlog grows.",
        "按负载的各时段（线上）：每秒到期与完结的订单，以及留下的未完结订单。到期持续高于完结时，积压增长。",
    ),
    "alluvial": (
        "Stuck and lost orders only, each once: what the page showed when it got stuck, the cause that the evidence "
        "gives, and how it ended.",
        "仅含卡住与丢失的订单，每单一次：卡住时页面显示的状态、证据给出的原因、最终结局。",
    ),
    "causes": (
        "Stuck and lost orders by cause: as they were struck (known only because we broke it) and as found from the "
        "evidence alone, with 95 % intervals.",
        "卡住与丢失的订单按原因：实际注入者（因为是我们注入的才知道）与仅凭证据归因者，附 95% 区间。",
    ),
    "confusion": (
        "Rows: the cause of the fault that truly struck the order; columns: the cause found without knowing it. Each "
        "row is shaded by its own shares; the diagonal is right.",
        "行：真正触及订单的故障所属原因；列：不知情时归出的原因。每行按自身比例着色；对角线为正确。",
    ),
    "honesty": (
        "For how long pages agreed with the truth, from payment until the page had ended and said what is true. False "
        "progress: the page says submitted or recharging while no upstream is at work for the goods.",
        "从付款到页面给出真实结局为止，页面与事实一致的时长。虚假进度：页面显示已提交或充值中，而没有任何上游在处理。",
    ),
    "lag": (
        "Share of the changes (money taken, goods there, money back) that the page did not show so long after they "
        "were true (Kaplan–Meier).",
        "收款、到货、退款成为事实之后，这么久仍未在页面显示的比例（Kaplan–Meier）。",
    ),
    "latency": (
        "Answer times as the driver saw them, by kind of request; grey: faults given by a time window.",
        "压测端看到的响应时间，按请求种类；灰色区域为按时间窗设定的故障。",
    ),
}
