// Owns who waits for a place, and whose turn is next: by age, but an owner's flood waits behind others. Must not know steps or memory.
import type { Request } from './request.ts';

const ownerOf = (request: Request) => request.sequence.owner;

/** Requests without a place. Requests of the background come after all others. */
export class Waiting {
  /** In order of age. */
  private readonly requests: Request[] = [];
  /** How many of each owner. */
  private readonly owners = new Map<string, number>();

  get size(): number {
    return this.requests.length;
  }

  /** The oldest. */
  get oldest(): Request | undefined {
    return this.requests[0];
  }

  has(request: Request): boolean {
    return this.requests.includes(request);
  }

  add(request: Request): void {
    let at = this.requests.length;
    while (at > 0 && request.isBefore(this.requests[at - 1])) at--;
    this.requests.splice(at, 0, request);
    const owner = ownerOf(request);
    this.owners.set(owner, (this.owners.get(owner) ?? 0) + 1);
  }

  remove(request: Request): void {
    const at = this.requests[0] === request ? 0 : this.requests.indexOf(request);
    if (at < 0) return;
    this.requests.splice(at, 1);
    const owner = ownerOf(request);
    const left = this.owners.get(owner)! - 1;
    if (left > 0) this.owners.set(owner, left);
    else this.owners.delete(owner);
  }

  /** Whose turn it is: of those whose owners have the fewest requests running the oldest. */
  next(running: ReadonlySet<Request>): Request | undefined {
    const [oldest] = this.requests;
    if (this.owners.size < 2) return oldest;
    const places = placesOf(running);
    const has = (request: Request) => places.get(ownerOf(request)) ?? 0;
    let next = oldest;
    for (const request of this.requests) {
      if (request.isBackground !== oldest.isBackground) break;
      if (has(request) < has(next)) next = request;
    }
    return next;
  }

  /** Who is refused where too many wait: of the owner with the most who wait the youngest that never had a place; `last` where nobody has more. */
  tooMany(last: Request): Request {
    const most = Math.max(...this.owners.values());
    if (this.owners.get(ownerOf(last)) === most) return last;
    return this.requests.findLast((request) => !request.hadPlace && this.owners.get(ownerOf(request)) === most) ?? last;
  }

  *[Symbol.iterator](): Generator<Request, void, void> {
    yield* this.requests;
  }
}

/** How many of `running` are whose. */
export function placesOf(running: Iterable<Request>): Map<string, number> {
  const places = new Map<string, number>();
  for (const request of running) places.set(ownerOf(request), (places.get(ownerOf(request)) ?? 0) + 1);
  return places;
}
