// Owns `onebit completion`: scripts by which shells complete commands, options and their values. They are made from the commands themselves, so that they
// say what this version has, and ask nothing of the program while somebody types.
import { Argument, Command, type Option } from 'commander';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

const HELP = `
Examples:
  onebit completion bash > ~/.local/share/bash-completion/completions/onebit
  onebit completion zsh > "\${fpath[1]}/_onebit"
  onebit completion fish > ~/.config/fish/completions/onebit.fish`;

/** The command `completion`. */
export function completionCommand(): Command {
  return new Command('completion')
    .description('print a script for the completion of commands and options')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', HELP)
    .action((shell: (typeof SHELLS)[number], _: object, command: Command) => {
      const nodes = nodesOf(command.parent!);
      process.stdout.write({ bash: bashScript, zsh: zshScript, fish: fishScript }[shell](nodes));
    });
}

/** A command and what may follow it. */
interface Node {
  /** Names from the first command on, separated by blanks; empty for the program. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly CompletedOption[];
  /** What its arguments may be, where they are one of some words. */
  readonly choices: readonly string[];
}

interface CompletedOption {
  readonly flags: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

function nodesOf(command: Command, path = ''): Node[] {
  const commands = command.commands.map((child) => ({ name: child.name(), description: child.description() }));
  const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
  const node = { path, commands, options: command.options.map(completed).concat(HELP_OPTION), choices };
  return [node, ...command.commands.flatMap((child) => nodesOf(child, `${path} ${child.name()}`.trim()))];
}

const HELP_OPTION: CompletedOption = {
  flags: ['-h', '--help'],
  description: 'display help for command',
  takesValue: false,
  choices: [],
};

function completed({ short, long, description, required, optional, argChoices }: Option): CompletedOption {
  const flags = [short, long].filter((flag) => flag !== undefined);
  return { flags, description, takesValue: required || optional, choices: argChoices ?? [] };
}

/** What both scripts ask, in the words of their shell's `case`; what is found goes into the variable `found`. */
function cases(nodes: readonly Node[]) {
  const words = nodes.map(({ path, commands, options, choices }) => {
    const all = [...commands.map(({ name }) => name), ...choices, ...options.flatMap(({ flags }) => flags)];
    return `    '${path}') found='${all.join(' ')}' ;;`;
  });
  const values = nodes.flatMap(({ path, options }) =>
    options
      .filter(({ choices }) => choices.length > 0)
      .flatMap(({ flags, choices }) => flags.map((flag) => `    '${path} ${flag}') found='${choices.join(' ')}' ;;`)),
  );
  const paths = nodes.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`);
  const valued = new Set(nodes.flatMap(({ options }) => options.filter(({ takesValue }) => takesValue)));
  const flags = new Set([...valued].flatMap((option) => option.flags));
  return {
    /** From where the loop over the words begins to what may follow the option before. */
    walk: `    case "\${at:+$at }$word" in
    ${paths.join('|')}) at="\${at:+$at }$word" ;;
    esac
  done
  case "$at $previous" in
${values.join('\n')}
  esac
`,
    /** Options with values that are files. */
    valued: [...flags].join('|'),
    /** Where nothing is found yet: what may follow the command. */
    rest: `    case "$at" in
${words.join('\n')}
    esac
  fi
`,
  };
}

function bashScript(nodes: readonly Node[]): string {
  const { walk, valued, rest } = cases(nodes);
  return `# Completion of onebit for bash.
_onebit() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} at='' found='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
${walk}  if [ -z "$found" ]; then
    case "$previous" in
    ${valued}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
${rest}  COMPREPLY=($(compgen -W "$found" -- "$current"))
  [ \${#COMPREPLY[@]} -eq 0 ] && COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _onebit onebit
`;
}

/** As a file in fpath, whose body is the function, and for `source`. In zsh `path` and `words` are names of its own. */
function zshScript(nodes: readonly Node[]): string {
  const { walk, valued, rest } = cases(nodes);
  return `#compdef onebit
# Completion of onebit for zsh.
_onebit() {
  local previous=\${words[CURRENT-1]} at='' found='' word
  for word in "\${(@)words[2,CURRENT-1]}"; do
${walk}  if [[ -z "$found" ]]; then
    case "$previous" in
    ${valued}) _files; return ;;
    esac
${rest}  compadd -- \${=found} || _files
}
if [[ "\${funcstack[1]}" = _onebit ]]; then _onebit "$@"; else compdef _onebit onebit; fi
`;
}

function fishScript(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, commands, options, choices }) => {
    const seen = path.split(' ').filter((word) => word !== '');
    const inner = commands.map(({ name }) => name).join(' ');
    const conditions = seen.map((word) => `__fish_seen_subcommand_from ${word}`);
    // `train` is not `support train`
    const others = nodes.map((node) => node.path.split(' ')).filter((names) => seen.length === 1 && names[1] === path);
    if (others.length > 0) conditions.push(`not __fish_seen_subcommand_from ${others.map(([name]) => name).join(' ')}`);
    const here = [...conditions, ...(inner ? [`not __fish_seen_subcommand_from ${inner}`] : [])].join('; and ');
    const condition = here ? ` -n '${here}'` : '';
    return [
      ...commands.map(
        ({ name, description }) => `complete -c onebit -f${condition} -a ${name} -d '${quoted(description)}'`,
      ),
      ...(choices.length > 0 ? [`complete -c onebit -f${condition} -a '${choices.join(' ')}'`] : []),
      ...options.map(({ flags, description, takesValue, choices }) => {
        const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
        const value = choices.length > 0 ? ` -x -a '${choices.join(' ')}'` : takesValue ? ' -r -F' : '';
        return `complete -c onebit${condition} ${names.join(' ')}${value} -d '${quoted(description)}'`;
      }),
    ];
  });
  return `# Completion of onebit for fish.\n${lines.join('\n')}\n`;
}

function quoted(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
}
