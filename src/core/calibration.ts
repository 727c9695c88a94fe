// Owns what a stated confidence is worth: how far it is from how often it is right, and the logistic function that makes a chance of a value. Must not know what is
// judged.
// Sources: expected calibration error (Naeini et al., AAAI 2015; Guo et al., ICML 2017); logistic calibration with softened targets (Platt 1999).
import { exp, log } from './elementary.ts';

/** One answer: how sure, and whether right. */
export interface Judged {
  readonly confidence: number;
  readonly right: boolean;
}

/** `bins` equal bins of confidence: how many, the sum of their confidence, how many of them right. */
export function confidenceBins(
  judged: readonly Judged[],
  bins: number,
): { rows: number; confidence: number; right: number }[] {
  const sums = Array.from({ length: bins }, () => ({ rows: 0, confidence: 0, right: 0 }));
  for (const { confidence, right } of judged) {
    const bin = sums[Math.min(bins - 1, Math.floor(confidence * bins))];
    bin.rows++;
    bin.confidence += confidence;
    bin.right += Number(right);
  }
  return sums;
}

/** The expected calibration error: the mean distance of confidence and share of right answers over equal bins, each by its answers; 0 for nothing. */
export function calibrationError(judged: readonly Judged[], bins = 10): number {
  const sums = confidenceBins(judged, bins);
  return sums.reduce((sum, bin) => sum + Math.abs(bin.confidence - bin.right), 0) / Math.max(1, judged.length);
}

const STEPS = 60;

/**
 * The slope and the offset of log-odds under which `holds` is likeliest, by Newton's method; the targets are short of 0 and 1, so that few values do not make it
 * sure. Values that say nothing, or the contrary, get slope 0: all then have the same chance.
 * @param ridge keeps the slope small where there are few values
 */
export function fitLogistic(
  values: readonly number[],
  holds: readonly boolean[],
  ridge = 1e-9,
): { slope: number; offset: number } {
  const positives = holds.filter(Boolean).length;
  const [high, low] = [(positives + 1) / (positives + 2), 1 / (values.length - positives + 2)];
  const constant = { slope: 0, offset: log((positives + 1) / (values.length - positives + 1)) };
  let { slope, offset } = constant;
  for (let step = 0; step < STEPS; step++) {
    let [g0, g1, h00, h01, h11] = [0, ridge * slope, 1e-9, 0, ridge];
    for (const [i, x] of values.entries()) {
      const chance = 1 / (1 + exp(-(slope * x + offset)));
      const error = chance - (holds[i] ? high : low);
      const weight = chance * (1 - chance);
      g0 += error;
      g1 += error * x;
      h00 += weight;
      h01 += weight * x;
      h11 += weight * x * x;
    }
    const determinant = h00 * h11 - h01 * h01;
    if (!(determinant > 1e-12)) break;
    const change = { offset: (h11 * g0 - h01 * g1) / determinant, slope: (h00 * g1 - h01 * g0) / determinant };
    // Short steps: far from the minimum Newton's are too long.
    const scale = Math.min(1, 2 / Math.max(Math.abs(change.offset), Math.abs(change.slope), 1e-12));
    offset -= scale * change.offset;
    slope -= scale * change.slope;
  }
  return slope > 0 && Number.isFinite(slope) && Number.isFinite(offset) ? { slope, offset } : constant;
}
