// Owns opening who answers fixed questions: a support model, or any language model. Must not know questions.
import { SUPPORT_ARCHITECTURE } from '../tasks/support/architecture.ts';
import { type Decider, likelihoodDecider, type SupportModel, supportDecider } from '../tasks/support/index.ts';
import { loadModel, type ModelFlags, modelNameOf } from './context.ts';
import { architectureOf } from './suggest.ts';
import { openSupport } from './support-files.ts';

export interface OpenedDecider {
  readonly decider: Decider;
  /** Where a support model answers. */
  readonly support?: SupportModel;
  readonly close: () => Promise<void>;
}

/** The decider of `-m`. */
export async function openDecider(flags: ModelFlags, signal: AbortSignal): Promise<OpenedDecider> {
  const name = modelNameOf(flags);
  const architecture = await architectureOf(name).catch(() => undefined); // loading says what is wrong with it
  if (architecture === SUPPORT_ARCHITECTURE) {
    const support = await openSupport(name, signal);
    return { decider: supportDecider(support), support, close: async () => {} };
  }
  const model = await loadModel(flags, signal);
  const decider = likelihoodDecider((texts) => model.scoreDocuments(texts, { signal }));
  return { decider, close: async () => void (await model.dispose()) };
}
