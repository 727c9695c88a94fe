// Owns what may differ between the decoder architectures that the one forward pass runs. One small file per architecture lies in arch/.
import type { RopeSpec } from '../kernels/backend.ts';

/** A decoder-only architecture: RMSNorm before attention and feed-forward, rotary positions, grouped-query attention, SwiGLU. */
export interface Architecture {
  /** `general.architecture` in GGUF, also the prefix of its metadata keys. */
  readonly name: string;
  readonly ropePairing: RopeSpec['pairing'];
  /** Queries and keys get an RMSNorm a head (`attn_q_norm`, `attn_k_norm`). */
  readonly qkNorm: boolean;
}
