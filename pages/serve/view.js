// What the page shows of answers. Texts of others are set as text and never as markup.

const element = (id) => document.getElementById(id);

export function showStatus(text, isError = false) {
  const status = element("status");
  status.textContent = text;
  status.classList.toggle("error", isError);
}

/** @param results Of `/v1/rerank`. @param documents As they were sent. */
export function showRanking(results, documents) {
  element("ranking").replaceChildren(
    ...results.map(({ index, relevance_score, raw_score }) => {
      const item = document.createElement("li");
      const side = document.createElement("div");
      const score = document.createElement("div");
      score.className = "score";
      score.textContent = relevance_score.toFixed(2);
      score.title = `score ${raw_score.toPrecision(3)}`;
      const meter = document.createElement("meter");
      meter.value = relevance_score;
      meter.setAttribute("aria-label", "relevance");
      side.append(score, meter);
      const { title, text } = documents[index];
      const body = document.createElement("div");
      if (title) {
        const name = document.createElement("div");
        name.className = "dim";
        name.textContent = title;
        body.append(name);
      }
      const words = document.createElement("div");
      words.className = "words";
      words.dir = "auto";
      words.textContent = text.slice(0, 600);
      body.append(words);
      item.append(side, body);
      return item;
    }),
  );
}

/** Tokens shaded by their share of the largest value. */
export function showHeat(tokens) {
  const largest = tokens.reduce((most, { score }) => Math.max(most, Math.abs(score)), 0);
  element("heat").replaceChildren(
    ...tokens.map(({ text, score }) => {
      const span = document.createElement("span");
      span.textContent = text;
      const strength = largest > 0 ? Math.sqrt(Math.abs(score) / largest) : 0;
      if (strength >= 0.08) {
        const colour = score < 0 ? "--less" : "--more";
        span.style.backgroundColor = `rgba(var(${colour}), ${(0.75 * strength).toFixed(3)})`;
      }
      span.title = score.toPrecision(3);
      return span;
    }),
  );
}

/** What pruning kept of a text, and the rest struck through. @param pruned Of `/v1/prune`. */
export function showKept(text, pruned) {
  const parts = [];
  const add = (begin, end, isKept) => {
    if (end <= begin) return;
    const span = document.createElement(isKept ? "span" : "del");
    if (!isKept) span.className = "gone";
    span.textContent = text.slice(begin, end);
    parts.push(span);
  };
  let at = 0;
  for (const { begin, end } of pruned.documents[0].kept) {
    add(at, begin, false);
    add(begin, end, true);
    at = end;
  }
  add(at, text.length, false);
  element("kept").replaceChildren(...parts);
  const { tokens, original_tokens } = pruned.usage;
  element("kept-facts").textContent = [`${tokens} of ${original_tokens} tokens`, ...pruned.warnings].join(" · ");
}

export function showNothingKept(reason) {
  element("kept").replaceChildren();
  element("kept-facts").textContent = reason;
}

/** @param header `Server-Timing` of the answer. @param roundTrip Milliseconds as the page saw them. */
export function showTimings(header, roundTrip, usage) {
  const times = Object.fromEntries(
    (header ?? "").split(", ").map((part) => {
      const [name, duration] = part.split(";dur=");
      return [name, Number(duration)];
    }),
  );
  const ms = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
  const names = { wait: "waited", prefill: "documents", null: "calibration", query: "question" };
  const parts = Object.entries(names)
    .filter(([name]) => Number.isFinite(times[name]))
    .map(([name, words]) => `${words} ${ms(times[name])}`);
  element("timings").textContent = [
    `${ms(roundTrip)} in all`,
    ...parts,
    `${usage.total_tokens.toLocaleString("en")} tokens`,
  ].join(" · ");
}

/** The call as a command, for a shell that takes single quotes. */
export function showCurl(url, body, hasKey) {
  const quoted = JSON.stringify(body, null, 1).replaceAll("'", "'\\''");
  const key = hasKey ? ` \\\n  -H "authorization: Bearer $QRHEAD_API_KEY"` : "";
  element("curl").textContent = `curl ${url} \\\n  -H 'content-type: application/json'${key} \\\n  -d '${quoted}'`;
}
