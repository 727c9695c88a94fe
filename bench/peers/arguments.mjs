// Owns: reading `--name value` and `--flag` from the command line of the programs in bench/. Must not know what they mean.

/**
 * @param {string[]} argv arguments after the script's name
 * @param {string[]} [flags] names that take no value
 * @returns {{ positional: string[], option: (name: string, fallback?: string) => string | undefined, flag: (name: string) => boolean }}
 */
export function readArguments(argv, flags = []) {
  const positional = [];
  const values = new Map();
  for (let i = 0; i < argv.length; i++) {
    if (!argv[i].startsWith('--')) positional.push(argv[i]);
    else if (flags.includes(argv[i].slice(2))) values.set(argv[i].slice(2), true);
    else values.set(argv[i].slice(2), argv[++i]);
  }
  return {
    positional,
    option: (name, fallback) => values.get(name) ?? fallback,
    flag: (name) => values.has(name),
  };
}
