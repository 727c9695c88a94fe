// Owns offering the training that an earlier visit of the page left in the browser's storage: to go on with it, or to discard it.
import { type KeptTraining, listTrainings, removeTraining } from 'onebit/browser';
import { el } from '../dom.ts';
import { duration } from '../format.ts';
import type { LossPlot } from './loss-plot.ts';

/** The one run that the page keeps. */
export const KEPT_AS = 'page';

/** Whether the page has private storage for checkpoints; without it a closed tab ends the run. */
export async function canKeep(): Promise<boolean> {
  try {
    await navigator.storage.getDirectory();
    return true;
  } catch {
    return false;
  }
}

/** A card that is there while there is something to offer. */
export class KeptRun {
  readonly root = el('div', { class: 'card', hidden: true, role: 'region', 'aria-label': 'A training to go on with' });
  readonly #goOn: (kept: KeptTraining) => void;

  /** @param goOn called when the visitor wants the run to go on */
  constructor(goOn: (kept: KeptTraining) => void) {
    this.#goOn = goOn;
    void this.#look();
  }

  hide(): void {
    this.root.hidden = true;
    this.root.replaceChildren();
  }

  /** Looks for a run that no tab trains. Storage that refuses offers nothing. */
  async #look(): Promise<void> {
    const kept = (await listTrainings().catch(() => [])).find(({ name }) => name === KEPT_AS);
    if (!kept) return;
    const began = new Date(kept.date).toLocaleString();
    const about = kept.complete
      ? `The training of ${began} is done: ${kept.steps} updates.`
      : `The training of ${began} was interrupted at ${Math.floor(100 * kept.progress)} %, after ${kept.steps} updates and ${duration(kept.elapsedSeconds)}.`;
    const goOn = el('button', { type: 'button', class: 'primary' }, kept.complete ? 'Get its model' : 'Go on with it');
    goOn.addEventListener('click', () => this.#goOn(kept));
    const discard = el('button', { type: 'button' }, 'Discard it');
    discard.addEventListener('click', () => {
      this.hide();
      void removeTraining(kept.name);
    });
    this.root.append(el('p', {}, about), el('div', { class: 'row' }, goOn, discard));
    this.root.hidden = false;
  }
}

/** Draws what a kept run has measured so far. */
export function drawCurves(plot: LossPlot, { losses, evaluations }: KeptTraining): void {
  const points = [
    ...losses.map((point) => ({ ...point, heldOut: false })),
    ...evaluations.map((point) => ({ ...point, heldOut: true })),
  ];
  for (const { step, value, heldOut } of points.sort((a, b) => a.step - b.step)) {
    if (heldOut) plot.addHeldOut(step, value);
    else plot.addTraining(step, value);
  }
}
