// Owns finding what `$ref` names: JSON pointers, anchors and identifiers within one document. Source: JSON Schema 2020-12, core, section 8.
import { isObject, malformed, type Part, pointer, refuse } from './schema-parts.ts';
import type { Meter, Work } from './work.ts';

/** No schemas below these. */
const VALUES = new Set(['enum', 'const', 'default', 'examples', 'example']);
/** A base for documents without a name. */
const NOWHERE = 'schema:/';
const DEEPEST = 5000;

interface Place {
  readonly schema: unknown;
  /** JSON pointer from the root. */
  readonly at: string;
}

/** The identifiers of a document. */
export class References {
  private readonly byUri = new Map<string, Place>();
  private readonly bases = new WeakMap<object, string>();
  private readonly root: unknown;

  constructor(root: unknown) {
    this.root = root;
  }

  /** Finds all identifiers; to be done once, before anything is resolved. */
  *read(meter: Meter): Work<void> {
    const { root } = this;
    this.byUri.set(NOWHERE, { schema: root, at: '' });
    const draft = isObject(root) ? root.$schema : undefined;
    const work: { value: unknown; at: string; base: string; depth: number }[] = [
      { value: root, at: '', base: NOWHERE, depth: 0 },
    ];
    for (let next = work.pop(); next; next = work.pop()) {
      const { value, at, depth } = next;
      if (typeof value !== 'object' || value === null || depth > DEEPEST) continue;
      if (meter.spend(2)) yield;
      let { base } = next;
      if (isObject(value)) {
        const id = value.$id ?? value.id;
        const isRelative = typeof value.$ref === 'string' && !value.$ref.startsWith('#');
        if (typeof id === 'string' && isRelative && draft === undefined) {
          throw refuse(`${at}/$ref`, 'an identifier beside a reference where $schema does not say which comes first');
        }
        const isIgnored = '$ref' in value && draft !== undefined && isOldDraft(draft);
        if (typeof id === 'string' && !isIgnored) base = this.name(id, base, { schema: value, at });
        for (const anchor of [value.$anchor, value.$dynamicAnchor]) {
          if (typeof anchor === 'string') this.byUri.set(`${base}#${anchor}`, { schema: value, at });
        }
        if (base !== NOWHERE) this.bases.set(value, base);
      }
      for (const [key, inner] of Object.entries(value)) {
        if (VALUES.has(key) || typeof inner !== 'object' || inner === null) continue;
        work.push({ value: inner, at: at.length > 4000 ? at : at + pointer(key), base, depth: depth + 1 });
      }
    }
  }

  /** What the reference in `part` names. @throws OnebitError where there is nothing, or where it lies in another document */
  resolve(reference: unknown, part: Part): Part {
    const at = `${part.at}/$ref`;
    if (typeof reference !== 'string') throw malformed(at, 'a text', reference);
    const base = (isObject(part.schema) && this.bases.get(part.schema)) || NOWHERE;
    const uri = join(reference, base);
    if (uri === undefined) throw malformed(at, 'a reference', reference);
    const named = this.byUri.get(uri);
    if (named) return { ...named, name: `#${named.at}` };
    const hash = uri.indexOf('#');
    const document = this.byUri.get(hash < 0 ? uri : uri.slice(0, hash));
    const fragment = hash < 0 ? '' : uri.slice(hash + 1);
    if (!document) {
      throw refuse(at, `a reference to another document (${JSON.stringify(reference.slice(0, 60))})`);
    }
    if (fragment !== '' && !fragment.startsWith('/')) throw missing(at, reference);
    return this.under(document, fragment, at, reference);
  }

  private under(document: Place, fragment: string, at: string, reference: string): Part {
    let text: string;
    try {
      text = decodeURIComponent(fragment);
    } catch {
      throw malformed(at, 'a JSON pointer', reference);
    }
    let target = document.schema;
    for (const key of text.split('/').slice(1)) {
      const name = key.replaceAll('~1', '/').replaceAll('~0', '~');
      const inside = typeof target === 'object' && target !== null && Object.hasOwn(target, name);
      if (!inside) throw missing(at, reference);
      target = (target as Record<string, unknown>)[name];
    }
    const place = document.at + text;
    return { schema: target, at: place, name: `#${place}` };
  }

  /** Gives a schema its identifier. Returns the base of what is inside. */
  private name(id: string, base: string, place: Place): string {
    const uri = join(id, base);
    if (uri === undefined) return base;
    // Draft 4 to 7 write anchors as identifiers.
    if (id.startsWith('#')) {
      this.byUri.set(uri, place);
      return base;
    }
    const document = uri.replace(/#$/, '');
    if (!this.byUri.has(document)) this.byUri.set(document, place);
    if (place.schema === this.root) this.byUri.set(NOWHERE, place);
    return document;
  }
}

/** Whether a draft ignores what stands beside `$ref`. */
export function isOldDraft(draft: unknown): boolean {
  return /draft-0[3467]\//.test(String(draft));
}

/** `reference` seen from `base`; without an empty fragment. */
function join(reference: string, base: string): string | undefined {
  try {
    return new URL(reference, base).href.replace(/#$/, '');
  } catch {
    return reference.startsWith('#') ? `${base}${reference === '#' ? '' : reference}` : undefined;
  }
}

function missing(at: string, reference: string) {
  return malformed(at, 'a reference to a part of the schema', reference);
}
