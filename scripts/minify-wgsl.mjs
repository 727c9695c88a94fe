// Owns making the shaders in bundles for browsers smaller: comments and white space of template literals that are marked as WGSL.

/** For rolldown and Vite. */
export const smallShaders = {
  name: 'small-shaders',
  /** @param {string} code @param {string} id */
  transform: (code, id) => (/\/kernels\/webgpu\//.test(id) ? minifyWgsl(code) : null),
};

const MARK = '/* wgsl */';

/**
 * JavaScript `source` with the text of its literals behind the mark shortened; what stands in their `${}` is treated as JavaScript again.
 * @param {string} source
 */
export function minifyWgsl(source) {
  let out = '';
  let at = 0;
  for (;;) {
    const mark = source.indexOf(MARK, at);
    const tick = mark < 0 ? -1 : source.indexOf('`', mark);
    if (tick < 0) return out + source.slice(at);
    out += source.slice(at, mark);
    const end = literalEnd(source, tick);
    out += `\`${shortened(source, tick + 1, end)}\``;
    at = end + 1;
  }
}

/** Where the literal that begins at the back quote `from` ends. */
function literalEnd(source, from) {
  for (let i = from + 1; i < source.length; i++) {
    if (source[i] === '\\') i++;
    else if (source[i] === '`') return i;
    else if (source.startsWith('${', i)) i = holeEnd(source, i);
  }
  throw new Error('minify-wgsl: a template literal must end');
}

/** Where the `${` at `from` ends. */
function holeEnd(source, from) {
  let depth = 0;
  for (let i = from + 1; i < source.length; i++) {
    if (source[i] === '`') i = literalEnd(source, i);
    else if (source[i] === "'") i = source.indexOf("'", i + 1);
    else if (source[i] === '{') depth++;
    else if (source[i] === '}' && --depth === 0) return i;
  }
  throw new Error('minify-wgsl: a hole of a template literal must end');
}

/** What stands for a hole while its literal is shortened: a character that no shader has. */
const HOLE = '\ue000';

/** The literal's text from `from` to `end`, its holes kept. */
function shortened(source, from, end) {
  const holes = [];
  let text = '';
  for (let i = from; i < end; i++) {
    if (source.startsWith('${', i)) {
      const close = holeEnd(source, i);
      text += HOLE;
      holes.push(`\${${minifyWgsl(source.slice(i + 2, close))}}`);
      i = close;
    } else text += source[i];
  }
  return text
    .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, (comment) => {
      if (comment.includes(HOLE)) throw new Error('minify-wgsl: a comment must have no hole');
      return '';
    })
    .replace(/\s+/g, ' ')
    .replace(/ ?([=,;:{}()[\]+*/<>|?]) ?/g, '$1')
    .replaceAll(HOLE, () => holes.shift());
}
