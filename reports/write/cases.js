// The orders of the run: searched, filtered, sorted, and each explained. Vanilla; nothing is fetched.
(() => {
  "use strict";
  const data = document.getElementById("cases-data");
  if (!data) return;
  const D = JSON.parse(data.textContent);
  const C = D.columns, ZH = D.zh, HOPS = D.hops, PAGE = 50;
  const box = document.getElementById("zh");
  const isZh = () => Boolean(box && box.checked);
  const pick = (en, zh) => (isZh() ? zh : en);
  const FLAGS = [["lost", "丢失"], ["stuck", "卡住"], ["open", "未完结"], ["paid", "已付"], ["delivered", "已交付"], ["refunded", "已退款"]];
  const LOST = 1, STUCK = 2, OPEN = 4, PAID = 8;

  // Making elements: text is always text, so that nothing a shop wrote is ever read as HTML.
  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== undefined && value !== null) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const both = (en, zh) => {
    if (en === zh) return [en];
    return [make("span", {"data-l": "en"}, en), make("span", {"data-l": "zh", lang: "zh"}, zh)];
  };
  const word = (value) => both(value, ZH[value] || value);

  // Columns.
  const n = C.key.length;
  const coded = (name, i) => C[name].words[C[name].at[i]];
  const numbered = (name, i) => (C[name].rest[i] === null ? "" : C[name].same + C[name].rest[i]);
  const sought = Array.from({length: n}, (_, i) =>
    [C.key[i], numbered("order_no", i), numbered("trade_no", i)].join(" ").toLowerCase());

  const span = (s, units) => {
    const [h, m, sec] = units;
    if (s < 100) return `${Number.isInteger(s) ? s : s.toFixed(1)} ${sec}`;
    const whole = Math.round(s), minutes = Math.floor(whole / 60), rest = whole % 60;
    if (whole < 3600) return rest ? `${minutes} ${m} ${rest} ${sec}` : `${minutes} ${m}`;
    const left = Math.floor((whole % 3600) / 60);
    return left ? `${Math.floor(whole / 3600)} ${h} ${left} ${m}` : `${Math.floor(whole / 3600)} ${h}`;
  };
  const lasted = (s) => both(span(s, ["h", "min", "s"]), span(s, ["小时", "分", "秒"]));
  const yuan = (fen) => `¥${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, "0")}`;

  const is = (i) => {
    const bits = C.flags[i];
    const told = FLAGS.filter((_, bit) => bits & (1 << bit) && 1 << bit !== PAID);
    if (!(bits & PAID)) told.push(["unpaid", "未付款"]);
    const text = both(told.map((f) => f[0]).join(" "), told.map((f) => f[1]).join(" "));
    return bits & LOST ? [make("i", {class: "bad", "aria-hidden": "true"}, "■ "), ...text] : text;
  };

  const hasCauses = C.cause.words.some((cause) => cause);
  const COLUMNS = [
    {id: "key", en: "order", zh: "订单", by: (i) => C.key[i]},
    {id: "order_no", en: "order number", zh: "订单号", by: (i) => numbered("order_no", i), show: (i) => [make("code", {}, numbered("order_no", i) || "–")]},
    {id: "state", en: "page says", zh: "页面显示", by: (i) => coded("state", i), show: (i) => word(coded("state", i))},
    {id: "is", en: "is", zh: "状况", by: (i) => C.flags[i], show: is},
    {id: "stuck_s", en: "stuck for", zh: "卡住", by: (i) => C.stuck_s[i], down: true, show: (i) => (C.flags[i] & STUCK ? lasted(C.stuck_s[i]) : ["–"])},
    {id: "waited_s", en: "since payment", zh: "付款至今", by: (i) => C.waited_s[i], down: true,
      show: (i) => (C.flags[i] & PAID ? [C.flags[i] & OPEN ? "> " : "", ...lasted(C.waited_s[i])] : ["–"])},
    {id: "hop", en: "had come as far as", zh: "已走到", by: (i) => Object.keys(HOPS).indexOf(coded("hop", i)),
      show: (i) => both(HOPS[coded("hop", i)] || coded("hop", i), ZH[coded("hop", i)] || coded("hop", i))},
    ...(hasCauses ? [{id: "cause", en: "cause", zh: "原因", by: (i) => coded("cause", i), show: (i) => word(coded("cause", i) || "–")}] : []),
  ];
  const FILTERS = [
    ...(hasCauses ? [["cause", "cause", "原因"]] : []),
    ["state", "state", "状态"], ["channel", "channel", "渠道"], ["product", "product", "商品"], ["region", "region", "区服"],
  ].filter(([name]) => C[name].words.length > 1);

  // What is looked at.
  let sort = {id: "", down: false}, page = 0, rows = [], opened = -1;
  const chosen = {}, wanted = {lost: false, stuck: false, open: false};
  let text = "";
  const select = () => {
    const bits = (wanted.lost ? LOST : 0) | (wanted.stuck ? STUCK : 0) | (wanted.open ? OPEN : 0);
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const places = FILTERS.filter(([name]) => chosen[name]).map(([name]) => [C[name].at, C[name].words.indexOf(chosen[name])]);
    rows = [];
    for (let i = 0; i < n; i++) {
      if ((C.flags[i] & bits) !== bits) continue;
      if (!places.every(([at, place]) => at[i] === place)) continue;
      if (words.every((part) => sought[i].includes(part))) rows.push(i);
    }
    const column = COLUMNS.find((c) => c.id === sort.id);
    if (column) {
      const sign = sort.down ? -1 : 1;
      rows.sort((a, b) => {
        const x = column.by(a), y = column.by(b);
        return x < y ? -sign : x > y ? sign : a - b;
      });
    }
    page = 0;
    opened = -1;
  };

  // The frame, once.
  const count = make("p", {class: "count", role: "status", "aria-live": "polite"});
  const search = make("input", {type: "search", id: "cases-search", autocomplete: "off", spellcheck: "false"});
  const bar = make("div", {class: "bar"}, make("label", {for: "cases-search"}, ...both("find", "查找")), search);
  const menus = FILTERS.map(([name, en, zh]) => {
    const menu = make("select", {id: `cases-${name}`});
    menu.addEventListener("change", () => { chosen[name] = menu.value; again(); });
    bar.append(make("label", {for: menu.id}, ...both(en, zh)), menu);
    return [menu, name];
  });
  for (const [name, zh] of FLAGS.slice(0, 3)) {
    const check = make("input", {type: "checkbox", id: `cases-is-${name}`});
    check.addEventListener("change", () => { wanted[name] = check.checked; again(); });
    bar.append(make("span", {class: "tick"}, check, make("label", {for: check.id}, ...both(name, zh))));
  }
  const head = make("tr"), body = make("tbody");
  const table = make("table", {}, make("thead", {}, head), body);
  const back = make("button", {type: "button"}, ...both("‹ before", "‹ 上一页"));
  const next = make("button", {type: "button"}, ...both("next ›", "下一页 ›"));
  const pager = make("div", {class: "pager"}, back, next);
  const wide = make("div", {class: "wide"}, table);
  document.getElementById("cases-plain").replaceWith(bar, count, wide, pager);
  const heads = COLUMNS.map((column) => {
    const button = make("button", {type: "button"}, ...both(column.en, column.zh), make("i", {"aria-hidden": "true"}));
    button.addEventListener("click", () => {
      const same = sort.id === column.id, first = Boolean(column.down);
      sort = !same ? {id: column.id, down: first} : sort.down === first ? {id: column.id, down: !first} : {id: "", down: false};
      again();
    });
    const cell = make("th", {scope: "col"}, button);
    head.append(cell);
    return cell;
  });
  search.addEventListener("input", () => { text = search.value; again(); });
  back.addEventListener("click", () => turn(-1));
  next.addEventListener("click", () => turn(1));

  const words = () => {
    search.placeholder = pick("order, trade or key", "订单号、交易号或订单");
    for (const [menu, name] of menus) {
      const value = chosen[name] || "";
      const names = C[name].words.filter(Boolean);
      menu.replaceChildren(new Option(pick("all", "全部"), ""), ...names.map((w) => new Option(pick(w, ZH[w] || w), w)));
      menu.value = value;
    }
    tell();
  };
  const tell = () => {
    const last = Math.max(Math.ceil(rows.length / PAGE), 1), of = D.sent > n ? pick(`, of ${D.sent} sent`, `，共发出 ${D.sent}`) : "";
    count.textContent = pick(`${rows.length} of ${n} orders${of}; page ${page + 1} of ${last}`, `${n} 个订单中的 ${rows.length} 个${of}；第 ${page + 1} / ${last} 页`);
    back.disabled = page === 0;
    next.disabled = page + 1 >= last;
    pager.hidden = last === 1;
  };
  const draw = () => {
    heads.forEach((cell, at) => {
      const mine = COLUMNS[at].id === sort.id;
      cell.setAttribute("aria-sort", mine ? (sort.down ? "descending" : "ascending") : "none");
      cell.querySelector("i").textContent = mine ? (sort.down ? " ▼" : " ▲") : "";
    });
    body.replaceChildren(...rows.slice(page * PAGE, (page + 1) * PAGE).map(row));
    tell();
  };
  const again = () => { select(); draw(); };
  const turn = (by, focus) => {
    const last = Math.ceil(rows.length / PAGE) - 1, to = Math.min(Math.max(page + by, 0), last);
    if (to === page) return false;
    page = to;
    opened = -1;
    draw();
    if (focus) buttons().at(focus).focus();
    return true;
  };
  const buttons = () => [...body.querySelectorAll("button.key")];

  const row = (i) => {
    const button = make("button", {type: "button", class: "key", "aria-expanded": "false"}, make("code", {}, C.key[i]));
    const line = make("tr", {}, make("th", {scope: "row"}, button));
    for (const column of COLUMNS.slice(1)) line.append(make("td", {class: column.down ? "t" : undefined}, ...column.show(i)));
    line.addEventListener("click", (event) => {
      if (event.detail && getSelection().toString()) return; // somebody copies a number
      button.focus();
      toggle(i, line, button);
    });
    return line;
  };

  body.addEventListener("keydown", (event) => {
    const all = buttons(), at = all.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const go = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1}[event.key];
    if (go !== undefined) {
      if (go >= 0 && go < all.length) all[go].focus();
      else if (go < 0 ? !turn(-1, -1) : !turn(1, 0)) return;
    } else if (event.key === "PageDown") turn(1, 0);
    else if (event.key === "PageUp") turn(-1, 0);
    else if (event.key === "Escape" && opened >= 0) all[at].closest("tr").click();
    else return;
    event.preventDefault();
  });

  // One order, explained.
  let stories;
  const unpack = async () => {
    const bytes = Uint8Array.from(atob(D.stories), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return JSON.parse(await new Response(stream).text());
  };
  const close = () => {
    const shown = body.querySelector("tr.story");
    if (!shown) return;
    shown.previousSibling.querySelector("button.key").setAttribute("aria-expanded", "false");
    shown.remove();
  };
  const toggle = async (i, line, button) => {
    const same = opened === i;
    close();
    opened = same ? -1 : i;
    if (same) return;
    button.setAttribute("aria-expanded", "true");
    const cell = make("td", {colspan: COLUMNS.length}, facts(i));
    line.after(make("tr", {class: "story"}, cell));
    if (i >= D.told) return cell.append(elsewhere(i));
    try {
      stories ||= unpack();
      cell.append(...story((await stories)[i]));
    } catch (error) {
      cell.append(elsewhere(i));
    }
  };
  const facts = (i) => make("p", {class: "note"},
    ...both("trade", "交易号"), ` ${numbered("trade_no", i) || "–"} · `, ...both("channel", "渠道"), ` ${coded("channel", i)} · `,
    ...both("product", "商品"), ` ${coded("product", i)} · `, ...both("region", "区服"), ` ${coded("region", i)} · `,
    ...both("taken", "扣款"), ` ${yuan(coded("captured_fen", i))} · `, ...both("given back", "退款"), ` ${yuan(coded("refunded_fen", i))}`,
    coded("code", i) ? ` · ${coded("code", i)}` : "");
  const elsewhere = (i) => make("p", {}, ...both("Its whole story: ", "完整经过："), make("code", {}, `orderjam order runs/${D.run} ${C.key[i]}`));
  const story = (told) => {
    const parts = [make("p", {class: "sentence", "data-l": "en"}, told.s[0]), make("p", {class: "sentence", "data-l": "zh", lang: "zh"}, told.s[1])];
    if (told.why[0]) parts.push(make("p", {class: "note"}, ...both(`Cause: ${told.why[0]}`, `原因依据：${told.why[1]}`)));
    if (told.svg) {
      const picture = make("div", {class: "picture"});
      picture.innerHTML = told.svg; // drawn by the report itself, every text in it escaped
      parts.push(picture);
    }
    const events = make("table", {}, make("thead", {}, make("tr", {},
      ...[["since payment, s", "付款后秒数"], ["on the wire, s", "线上秒数"], ["voice", "来源"], ["what", "事件"], ["fields", "内容"]]
        .map(([en, zh]) => make("th", {scope: "col"}, ...both(en, zh))))));
    const lines = told.e.map((e) => make("tr", {class: e[2] === "struck" ? "struck" : undefined},
      make("td", {class: "r"}, e[0].toFixed(1)), make("td", {class: "r"}, e[1].toFixed(3)), make("td", {}, e[2]), make("td", {}, e[3]), make("td", {}, e[4])));
    events.append(make("tbody", {}, ...lines));
    parts.push(make("details", {}, make("summary", {}, ...both(`all ${told.e.length} events`, `全部 ${told.e.length} 个事件`)), make("div", {class: "wide"}, events)));
    for (const [title, sent, received] of told.raw) {
      parts.push(make("details", {}, make("summary", {}, ...both(`raw exchange, struck: ${title}`, `被触及的原始报文：${title}`)),
        make("p", {class: "note"}, ...both("sent", "发出")), make("pre", {}, sent || "–"), make("p", {class: "note"}, ...both("received", "收到")), make("pre", {}, received || "–")));
    }
    return parts;
  };

  // A link such as #order=b00000042 opens that order.
  const follow = () => {
    const key = /^#order=(.+)$/.exec(location.hash);
    const i = key ? C.key.indexOf(decodeURIComponent(key[1])) : -1;
    if (i < 0) return;
    text = search.value = C.key[i];
    again();
    const button = buttons()[rows.indexOf(i)];
    if (button) button.closest("tr").click();
    document.getElementById("cases").scrollIntoView();
  };
  if (box) box.addEventListener("change", words);
  addEventListener("hashchange", follow);
  again();
  words();
  follow();
})();
