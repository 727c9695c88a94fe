// Owns how much energy the machine has used: the counters of RAPL where Linux shows them, else watts that somebody stated. The counters are of whole processor
// packages, so other work on the machine counts too.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = '/sys/class/powercap';

/** Counts energy from its making on. */
export interface EnergyMeter {
  readonly from: 'rapl' | 'stated' | undefined;
  /** Joules since the last call; undefined where nothing is known. */
  lap(): number | undefined;
}

/** @param watts of the machine at work, as stated; taken before what it shows @param folder where the counters are */
export function energyMeter(watts?: number, folder = FOLDER): EnergyMeter {
  if (watts !== undefined) {
    let at = performance.now();
    return {
      from: 'stated',
      lap: () => {
        const now = performance.now();
        const joules = (watts * (now - at)) / 1000;
        at = now;
        return joules;
      },
    };
  }
  const packages = packagesIn(folder);
  if (packages.length === 0) return { from: undefined, lap: () => undefined };
  return { from: 'rapl', lap: () => packages.reduce((sum, lap) => sum + lap(), 0) };
}

/** A counter for each processor package that can be read: they count microjoules, and begin anew at the end of their range. */
function packagesIn(folder: string): (() => number)[] {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => /^intel-rapl:\d+$/.test(name));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const read = (file: string) => Number(readFileSync(join(folder, name, file), 'latin1'));
    try {
      const range = read('max_energy_range_uj');
      let last = read('energy_uj');
      return [
        () => {
          const now = read('energy_uj');
          const used = now >= last ? now - last : now + range - last;
          last = now;
          return used / 1e6;
        },
      ];
    } catch {
      return []; // only root may read it on most machines
    }
  });
}
