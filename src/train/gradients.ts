// Owns the gradients of registers during a backward pass: where each one lies, and whether something is in it. Must not know instructions.
import type { TrainingTensor } from '../kernels/training.ts';
import type { Register } from '../model/plan.ts';

/** One gradient for each register, as the backward pass goes through the layers: that of what the register holds at that place of the plan. */
export class Gradients {
  /** Memory of registers' gradients, used again in every layer. */
  readonly #memory = new Map<Register, TrainingTensor>();
  readonly #known = new Map<Register, TrainingTensor>();
  readonly #make: (register: Register) => TrainingTensor;

  /** @param normed where the gradient of the register `normed` lies */
  constructor(normed: TrainingTensor, make: (register: Register) => TrainingTensor) {
    this.#make = make;
    this.#memory.set('normed', normed);
  }

  clear(): void {
    this.#known.clear();
  }

  /** The gradient of a register, which stays. */
  of(register: Register): TrainingTensor {
    return this.#known.get(register)!;
  }

  /** The gradient of a register whose value is made here: before this instruction nothing depends on it. */
  take(register: Register): TrainingTensor {
    const gradient = this.of(register);
    this.#known.delete(register);
    return gradient;
  }

  /** Where the gradient of a register goes that an instruction reads, and whether it is added to what later instructions left there. */
  give(register: Register, place?: TrainingTensor): { dX: TrainingTensor; accumulate: boolean } {
    const known = this.#known.get(register);
    return known ? { dX: known, accumulate: true } : { dX: this.overwrite(register, place), accumulate: false };
  }

  /** Memory for the gradient of a register, for an instruction that fills it. */
  overwrite(register: Register, place?: TrainingTensor): TrainingTensor {
    let memory = place ?? this.#memory.get(register);
    if (!memory) {
      memory = this.#make(register);
      this.#memory.set(register, memory);
    }
    this.#known.set(register, memory);
    return memory;
  }
}
