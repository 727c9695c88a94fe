// Owns what Ollama's clients ask about models: which there are, which are loaded, what one is.
import type { LanguageModel, ModelFacts } from '../language-model.ts';
import type { ModelShelf } from './model-shelf.ts';

/** The models, as /api/tags lists them; or, as /api/ps does, those that are loaded. */
export async function ollamaModels(shelf: ModelShelf, onlyLoaded: boolean): Promise<object> {
  const loaded = new Map([...shelf.loaded()].map(({ id, model }) => [id, model]));
  const ids = shelf.ids.filter((id) => !onlyLoaded || loaded.has(id));
  const models = ids.map(async (id) => {
    const model = loaded.get(id);
    const size = model?.memoryBytes ?? (await shelf.needBytes(id));
    const facts = await shelf.facts(id);
    const known = { name: id, model: id, size, digest: facts?.headerDigest ?? '', details: detailsOf(facts) };
    if (!onlyLoaded) return { ...known, modified_at: await shelf.modifiedAt(id) };
    return { ...known, expires_at: shelf.expiresAt(id), size_vram: 0, context_length: model?.contextTokens };
  });
  return { models: await Promise.all(models) };
}

/** What is known of a model. */
export async function ollamaShow(model: LanguageModel, id: string, shelf: ModelShelf): Promise<object> {
  const plain = [...model.metadata].filter(([, value]) => typeof value !== 'object' || value === null);
  return {
    license: String(model.metadata.get('general.license') ?? ''),
    modelfile: '',
    parameters: '',
    template: String(model.metadata.get('tokenizer.chat_template') ?? ''),
    details: detailsOf(await model.facts()),
    model_info: Object.fromEntries(
      plain.map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
    ),
    capabilities: ['completion', 'tools', 'embedding', ...(model.knowsThinking ? ['thinking'] : [])],
    modified_at: await shelf.modifiedAt(id),
  };
}

function detailsOf(facts: ModelFacts | undefined): object {
  const family = facts?.architecture ?? '';
  return {
    ...{ parent_model: '', format: 'gguf', family, families: family === '' ? null : [family] },
    ...{ parameter_size: facts ? sizeText(facts.parameters) : '', quantization_level: facts?.format ?? '' },
  };
}

/** As Ollama writes numbers of weights: 8.2B, 5.1M. */
function sizeText(parameters: number): string {
  const units: [number, string][] = [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e3, 'K']]; // biome-ignore format: short
  const [size, unit] = units.find(([least]) => parameters >= least) ?? [1, ''];
  return `${Number((parameters / size).toFixed(1))}${unit}`;
}
