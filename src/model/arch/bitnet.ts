// BitNet: RMSNorms before the output and down projections, and a gate of relu² or SiLU. `bitnet` is llama.cpp's name (SiLU unless the file says relu2),
// `bitnet-b1.58` and the older `bitnet-25` are Microsoft's, whose models are made for relu². Sources: arXiv 2402.17764, arXiv 2504.12285; llama.cpp's loader.
import { OnebitError } from '../../errors.ts';
import { metadataString } from '../../gguf/metadata.ts';
import type { GateActivation } from '../../kernels/backend.ts';
import type { Architecture } from '../architecture.ts';
import { attentionBlock, feedForwardBlock } from '../blocks.ts';

/** Below the prefix: silu or relu2. */
export const ACTIVATION_KEY = 'hidden_activation';

function bitnetOf(name: string, usual: 'silu' | 'relu2'): Architecture {
  return {
    name,
    ropePairing: 'half',
    keys: [ACTIVATION_KEY],
    activations: ['silu', 'relu2'],
    activation(metadata): GateActivation {
      const key = `${name}.${ACTIVATION_KEY}`;
      const said = metadataString(metadata, key, { default: usual });
      if (said === 'silu' || said === 'relu2') return said;
      throw new OnebitError(
        'unsupported',
        `load: '${key}' must be silu or relu2, got '${said.slice(0, 40)}'. The engine would give wrong text.`,
      );
    },
    blocks: [attentionBlock({ subNorm: true, scales: true }), feedForwardBlock({ subNorm: true, scales: true })],
  };
}

export const bitnets: readonly Architecture[] = [
  bitnetOf('bitnet', 'silu'),
  bitnetOf('bitnet-b1.58', 'relu2'),
  bitnetOf('bitnet-25', 'relu2'),
];
