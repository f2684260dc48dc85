/** A command and what can be typed after it. */
export type Completed = {
  path: readonly string[];
  commands: readonly { word: string; says: string }[];
  options: readonly { words: readonly string[]; says: string; takesValue: boolean; choices: readonly string[] }[];
};

/** A script holds all words, so that Tab starts no process. Libraries that complete ask the program at every Tab. */
export const SHELLS = { bash, zsh, fish } as const;

export function scriptFor(shell: keyof typeof SHELLS, commands: readonly Completed[]): string {
  return SHELLS[shell](commands);
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
const pathOf = ({ path }: Completed) => path.join(" ");

/** The command is made of the words up to the first one that names no command. */
function bash(commands: readonly Completed[]): string {
  const cases = commands.map((one) => {
    const words = [...one.commands.map(({ word }) => word), ...one.options.flatMap((option) => option.words)];
    return `    ${quoted(pathOf(one))}) words=${quoted(words.join(" "))} subs=${quoted(one.commands.map(({ word }) => word).join(" "))} ;;`;
  });
  const values = new Map<string, string>();
  for (const { options } of commands) {
    for (const { words, takesValue, choices } of options) {
      for (const word of words) if (takesValue) values.set(word, values.get(word) || choices.join(" "));
    }
  }
  const choices = [...values].map(([flag, words]) => `    ${flag}) values=${quoted(words)} takes=1 ;;`);
  return `# bash completion of qrhead
_qrhead_words() {
  case "$1" in
${cases.join("\n")}
    *) words='' subs='' ;;
  esac
}
_qrhead_values() {
  values='' takes=''
  case "$1" in
${choices.join("\n")}
  esac
}
_qrhead() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path='' words subs values takes i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    _qrhead_words "$path"
    case " $subs " in *" \${COMP_WORDS[i]} "*) path="\${path:+$path }\${COMP_WORDS[i]}" ;; esac
  done
  _qrhead_values "$previous"
  if [[ -n $takes ]]; then
    if [[ -n $values ]]; then COMPREPLY=($(compgen -W "$values" -- "$current")); else COMPREPLY=($(compgen -f -- "$current")); fi
    return
  fi
  _qrhead_words "$path"
  if [[ $current == -* || -n $subs ]]; then COMPREPLY=($(compgen -W "$words" -- "$current")); else COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -o filenames -o default -F _qrhead qrhead
`;
}

function zsh(commands: readonly Completed[]): string {
  const escaped = (text: string) => text.replace(/[[\]:'\\]/g, (sign) => (sign === "'" ? "'\\''" : `\\${sign}`));
  const cases = commands.map((one) => {
    const options = one.options.flatMap(({ words, says, takesValue, choices }) =>
      words.map((word) => {
        const value = takesValue ? `:value:${choices.length > 0 ? `(${choices.join(" ")})` : "_files"}` : "";
        return `'${word}[${escaped(says)}]${value}'`;
      }),
    );
    const inside = one.commands.map(({ word, says }) => `'${word}:${escaped(says)}'`);
    const rest = inside.length > 0 ? `subs=(${inside.join(" ")})` : "subs=()";
    return `    ${quoted(pathOf(one))}) options=(${options.join(" ")}); ${rest} ;;`;
  });
  return `#compdef qrhead
_qrhead_words() {
  case "$1" in
${cases.join("\n")}
    *) options=(); subs=() ;;
  esac
}
_qrhead() {
  local command_path='' i begin=1
  local -a options subs names
  for ((i = 2; i < CURRENT; i++)); do
    _qrhead_words "$command_path"
    names=("\${(@)subs%%:*}")
    if (( \${names[(Ie)\${words[i]}]} )); then command_path="\${command_path:+$command_path }\${words[i]}"; begin=$i; fi
  done
  _qrhead_words "$command_path"
  if (( \${#subs} )) && [[ \${words[CURRENT]} != -* ]]; then _describe command subs; return; fi
  words=("\${words[begin]}" "\${(@)words[begin+1,-1]}"); (( CURRENT = CURRENT - begin + 1 ))
  _arguments -s $options '*:file:_files'
}
if [ "\${funcstack[1]}" = "_qrhead" ]; then _qrhead "$@"; else compdef _qrhead qrhead; fi
`;
}

function fish(commands: readonly Completed[]): string {
  const lines = ["# fish completion of qrhead"];
  for (const one of commands) {
    const seen = one.path.map((word) => `__fish_seen_subcommand_from ${word}`);
    const others = one.commands.map(({ word }) => word).join(" ");
    const here = [...seen, ...(others ? [`not __fish_seen_subcommand_from ${others}`] : [])].join("; and ") || "true";
    for (const { word, says } of one.commands) {
      lines.push(`complete -c qrhead -f -n ${quoted(here)} -a ${quoted(word)} -d ${quoted(says)}`);
    }
    for (const { words, says, takesValue, choices } of one.options) {
      const flags = words.map((word) => (word.startsWith("--") ? `-l ${word.slice(2)}` : `-s ${word.slice(1)}`));
      const value = takesValue ? (choices.length > 0 ? ` -x -a ${quoted(choices.join(" "))}` : " -r") : "";
      lines.push(`complete -c qrhead -n ${quoted(here)} ${flags.join(" ")}${value} -d ${quoted(says)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}
