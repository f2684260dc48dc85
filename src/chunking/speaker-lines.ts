// How chats and transcripts write who speaks: one line, and the name in it.

/** How a name is written; the names of one conversation are written alike. */
export type SpeakerStyle = {
  kind: "template" | "json" | "attribute" | "angle" | "colon" | "dash" | "heading" | "bold";
  stamped: boolean;
  listed: boolean;
  quoted: boolean;
};

export type SpeakerLine = { style: SpeakerStyle; name: string };

/** Longest beginning of a line that is looked at. */
export const LOOK = 240;

const NAME = String.raw`[\p{L}\p{N}_][\p{L}\p{M}\p{N}_.'’-]{0,39}(?:[ \t][\p{L}\p{N}_#&][\p{L}\p{M}\p{N}_.'’-]{0,39}){0,3}`;
/** Pictures, pronouns, roles and times after a name. */
const EXTRA = String.raw`(?:[ \t]*(?:[\p{Extended_Pictographic}\p{Emoji_Modifier}\u200d\ufe0f]{1,12}|\([^()\n]{1,40}\)|\[[^[\]\n]{1,40}\])){0,3}`;
const WHO = `[*_]{0,3}@?(${NAME})[*_]{0,3}${EXTRA}[*_]{0,3}`;
const DATE = String.raw`(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{1,2}\.? \p{L}{3,9}\.? \d{4}|\p{L}{3,9}\.? \d{1,2},? \d{4})`;
const TIME = String.raw`\d{1,2}[:.h]\d{2}(?:[:.]\d{2}(?:[.,]\d{1,6})?)?(?:[\s\u202f]?[AaPp]\.?[Mm]\.?)?(?:Z|[+-]\d{2}:?\d{2})?`;
const STAMP = String.raw`[[(]?(?:${DATE}(?:,?[ \t]*(?:at[ \t]+)?|T)(?:${TIME})?|${TIME})[\])]?(?:[ \t]*[-–—|,][ \t]+|:?[ \t]+)`;
const ROW = String.raw`^[\u200e\u200f\ufeff \t]*((?:>[ \t]?)*)((?:[-*+•][ \t]+)?)((?:${STAMP})?)`;

const row = (form: string) => new RegExp(ROW + form, "u");
/** How lines name speakers. Made when first needed: patterns with Unicode classes take milliseconds each. */
function makePatterns() {
  const forms: readonly [SpeakerStyle["kind"], RegExp][] = [
    ["angle", row(`<@?(${NAME})>`)],
    // No time, ratio or address: nothing directly follows those colons but digits and slashes.
    ["colon", row(String.raw`(?:${WHO}|\[(${NAME})\])[ \t]*[:：][*_]{0,3}(?![\d/\\:])`)],
    ["heading", row(String.raw`#{1,6}[ \t]+${WHO}[ \t]*[:：]?[ \t]*#*[ \t]*$`)],
    ["bold", row(String.raw`(?:\*\*|__)@?(${NAME})${EXTRA}[:：]?(?:\*\*|__)(?:[ \t]*[-–—,]?[ \t]*${STAMP})?[ \t]*$`)],
    [
      "bold",
      row(String.raw`${WHO}[ \t]*[-–—,]?[ \t]+\[?(?:(?:Today|Yesterday)(?: at)? )?(?:${DATE},? )?${TIME}\]?[ \t]*$`),
    ],
    ["dash", row(String.raw`${WHO}[ \t]+[—–][ \t]+`)],
  ];
  const json = new RegExp(String.raw`^\s*\{[^\n]{0,80}?"(?:role|speaker|author|from|name)"\s*:\s*"(${NAME})"`, "u");
  const attribute = new RegExp(
    String.raw`^\s*<[a-z][\w:-]{0,20}\s[^<>\n]{0,80}?\b(?:role|speaker|author|from|who|name)=["'](${NAME})["']`,
    "u",
  );
  const voice = new RegExp(String.raw`^\s*<v(?:\.[\w.]{1,20})?[ \t]+(${NAME})>`, "u");
  return { forms, json, attribute, voice };
}

let made: ReturnType<typeof makePatterns> | undefined;

function patterns() {
  made ??= makePatterns();
  return made;
}

/** Marks of chat templates, which may stand anywhere in a line. */
const TEMPLATE_MARK = new RegExp(
  String.raw`(?:<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>|<\|(?=[^|<>\n]{1,80}\|>))[ \t]*(${NAME})`,
  "gu",
);
const TEMPLATE_WORDS = /^(?:im_|eot|eos|bos|end|begin|start|pad|unk|fim_|eom|vision|image|video|audio)/i;

/** Labels that begin a line and are no speakers. */
const LABELS = new Set(
  `note notes important warning caution tip tips hint attention info todo fixme remark remember example examples e.g i.e summary
  abstract title subject date time from to cc bcc re fw fwd sent ps p.s update edit source sources reference references see
  step result results output input error usage description pros cons advantages disadvantages ingredients directions options
  option key value name address phone email url http https file path default type version license hinweis achtung wichtig
  beispiel remarque exemple attention nota ejemplo importante session day chapter section part figure table definition theorem
  proof reason goal task context background conclusion disclaimer spoiler fact rule`.split(/\s+/),
);

/** Roles in conversations with language models. Each counts as a speaker even if it speaks once. */
const ROLES = new Set(
  `system user assistant human ai bot model tool function developer gpt chatgpt claude customer agent interviewer interviewee
  narrator moderator operator`.split(/\s+/),
);

/** Elements of HTML, which are nobody's names. */
const TAGS = new Set(
  `a abbr address article aside audio b blockquote body br button canvas caption center cite code col colgroup dd del details dfn div
  dl dt em embed fieldset figcaption figure font footer form h1 h2 h3 h4 h5 h6 head header hr html i iframe img input ins kbd label
  legend li link main map mark meta nav noscript object ol optgroup option p param picture pre progress q s samp script section select
  small source span strike strong style sub summary sup svg table tbody td template textarea tfoot th thead time title tr tt u ul var
  video`.split(/\s+/),
);

/** How names are compared: without marks, pictures, remarks in brackets, and case. */
export function speakerKey(name: string): string {
  return name
    .replace(/\([^()]*\)|\[[^[\]]*\]|\p{Extended_Pictographic}|\p{Emoji_Modifier}|\u200d|\ufe0f|[*_@<>:]/gu, " ")
    .replace(/\s+/g, " ")
    .trim()
    .toLowerCase();
}

/** Whether a name is a part in a conversation with a language model. */
export function isRole(key: string): boolean {
  return ROLES.has(key);
}

/** Whether a word is a label, or an element of HTML where it stands in angle brackets. */
export function isLabel(key: string, kind: SpeakerStyle["kind"]): boolean {
  if (kind === "angle") return TAGS.has(key);
  return kind !== "template" && kind !== "json" && LABELS.has(key.replace(/ \d+$/, ""));
}

/** Every way in which a line may name who speaks in it. */
export function speakerLines(line: string): SpeakerLine[] {
  if (!/[:：<#*_—–"]/.test(line)) return [];
  const found: SpeakerLine[] = [];
  const plain = { stamped: false, listed: false, quoted: false };
  const json = patterns().json.exec(line);
  if (json) return [{ style: { kind: "json", ...plain }, name: json[1]! }];
  const attribute = patterns().attribute.exec(line) ?? patterns().voice.exec(line);
  if (attribute) return [{ style: { kind: "attribute", ...plain }, name: attribute[1]! }];
  for (const [kind, form] of patterns().forms) {
    const match = form.exec(line);
    if (!match) continue;
    const [, quote, bullet, stamp, ...names] = match;
    const name = names.find((one) => one !== undefined)!;
    // "1. Opening hours:", "10:30"
    if (/^\d+\b(?![\p{L}'’-])/u.test(name)) continue;
    found.push({ style: { kind, stamped: stamp !== "", listed: bullet !== "", quoted: quote !== "" }, name });
    break;
  }
  return found;
}

/** The marks of chat templates in a text, with who speaks after them. */
export function* templateMarks(text: string): Generator<{ begin: number; name: string }> {
  if (!text.includes("<|") && !text.includes("<start_of_turn>")) return;
  for (const match of text.matchAll(TEMPLATE_MARK)) {
    const [first] = match[1]!.split(/[ \t]/);
    if (!TEMPLATE_WORDS.test(first!)) yield { begin: match.index, name: ROLES.has(first!) ? first! : match[1]! };
  }
}
