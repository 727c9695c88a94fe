// Owns the form of the file of API keys.
import { z } from 'zod';

export const keyFile = z.strictObject({
  keys: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(64),
        sha256: z.string().regex(/^[0-9a-f]{64}$/i, 'must be 64 hexadecimal digits'),
        requestsPerMinute: z.number().positive().optional(),
        tokensPerMinute: z.number().positive().optional(),
        tokensPerDay: z.number().positive().nullable().optional(),
        watermark: z.string().min(8).optional(),
        operator: z.boolean().optional(),
      }),
    )
    .min(1),
});
