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
}

interface CompletedOption {
  readonly flags: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

function nodesOf(command: Command, path = ''): Node[] {
  const commands = command.commands.map((child) => ({ name: child.name(), description: child.description() }));
  const node = { path, commands, options: command.options.map(completed).concat(HELP_OPTION) };
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

/** The words that may come after each command, and the values of options; else files. */
function cases(nodes: readonly Node[]): { words: string; values: string } {
  const words = nodes.map(({ path, commands, options }) => {
    const all = [...commands.map(({ name }) => name), ...options.flatMap(({ flags }) => flags)];
    return `    '${path}') words='${all.join(' ')}' ;;`;
  });
  const values = nodes.flatMap(({ path, options }) =>
    options
      .filter(({ choices }) => choices.length > 0)
      .flatMap(({ flags, choices }) => flags.map((flag) => `    '${path} ${flag}') words='${choices.join(' ')}' ;;`)),
  );
  return { words: words.join('\n'), values: values.join('\n') };
}

function bashScript(nodes: readonly Node[]): string {
  const { words, values } = cases(nodes);
  const paths = nodes.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`);
  const valued = [...new Set(nodes.flatMap(({ options }) => options.filter(({ takesValue }) => takesValue)))];
  const flags = [...new Set(valued.flatMap((option) => option.flags))];
  return `# Completion of onebit for bash.
_onebit() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path='' words='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
    ${paths.join('|')}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path $previous" in
${values}
  esac
  if [ -z "$words" ]; then
    case "$previous" in
    ${flags.join('|')}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
    case "$path" in
${words}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ \${#COMPREPLY[@]} -eq 0 ] && COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _onebit onebit
`;
}

/** zsh runs the script for bash. */
function zshScript(nodes: readonly Node[]): string {
  return `#compdef onebit
autoload -Uz bashcompinit && bashcompinit
${bashScript(nodes)}`;
}

function fishScript(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, commands, options }) => {
    const seen = path.split(' ').filter((word) => word !== '');
    const inner = commands.map(({ name }) => name).join(' ');
    const conditions = seen.map((word) => `__fish_seen_subcommand_from ${word}`);
    const here = [...conditions, ...(inner ? [`not __fish_seen_subcommand_from ${inner}`] : [])].join('; and ');
    const condition = here ? ` -n '${here}'` : '';
    return [
      ...commands.map(
        ({ name, description }) => `complete -c onebit -f${condition} -a ${name} -d '${quoted(description)}'`,
      ),
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
