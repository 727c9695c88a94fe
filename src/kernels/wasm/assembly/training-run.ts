// Owns which function does a training command.
import { CODE_MASK, OP_NONE } from './opcodes';
import { attend, attendBackward } from './training-attention';
import { gatedBackward } from './training-gates';
import { gemmCommand, packCommand } from './training-gemm';
import { crossEntropy, subtractTeacher } from './training-loss';
import { addRows, embedBackward, normBackward, rotate } from './training-norm';
import {
  OP_ADAM, OP_ADD_ROWS, OP_ADD_SCALED, OP_ATTEND, OP_ATTEND_BACKWARD, OP_CROSS_ENTROPY, OP_EMBED_BACKWARD, OP_GATED_BACKWARD, OP_GEMM, OP_NESTEROV,
  OP_NORM_BACKWARD, OP_NORMALIZE, OP_PACK, OP_PACK_BACKWARD, OP_PACK_FORWARD, OP_PACK_ROUNDED, OP_ROTATE, OP_ROUND, OP_ROUNDED_PRODUCT,
  OP_SIGN_PRODUCT_BACKWARD, OP_SIGN_PRODUCTS, OP_SUBTRACT_TEACHER, OP_SUMS_OF_SQUARES, OP_ZERO,
} from './training-opcodes';
import { packRounded, roundedProduct } from './training-rounded';
import { packBackward, packForward, signProductBackward, signProducts } from './training-signs';
import { adam, addScaled, nesterov, normalize, round, sumsOfSquares, zero } from './training-update';

/** Does items `from` to `to` of the command at `c`. Traps on a command it does not know: a module older than its caller must not skip work in silence. */
export function train(c: usize, from: i32, to: i32, thread: i32): void {
  switch (load<u32>(c) & CODE_MASK) {
    case OP_PACK: packCommand(c, from, to); break;
    case OP_GEMM: gemmCommand(c, from, to, thread); break;
    case OP_ZERO: zero(c, from, to); break;
    case OP_ROUND: round(c, from, to); break;
    case OP_EMBED_BACKWARD: embedBackward(c, from, to); break;
    case OP_NORM_BACKWARD: normBackward(c, from, to); break;
    case OP_ADD_ROWS: addRows(c, from, to); break;
    case OP_ROTATE: rotate(c, from, to); break;
    case OP_ATTEND: attend(c, from, to, thread); break;
    case OP_ATTEND_BACKWARD: attendBackward(c, from, to, thread); break;
    case OP_GATED_BACKWARD: gatedBackward(c, from, to); break;
    case OP_CROSS_ENTROPY: crossEntropy(c, from, to); break;
    case OP_SUBTRACT_TEACHER: subtractTeacher(c, from, to); break;
    case OP_SUMS_OF_SQUARES: sumsOfSquares(c, from, to); break;
    case OP_ADAM: adam(c, from, to); break;
    case OP_NESTEROV: nesterov(c, from, to); break;
    case OP_NORMALIZE: normalize(c, from, to); break;
    case OP_ADD_SCALED: addScaled(c, from, to); break;
    case OP_PACK_ROUNDED: packRounded(c, from, to); break;
    case OP_ROUNDED_PRODUCT: roundedProduct(c, from, to, thread); break;
    case OP_PACK_FORWARD: packForward(c, from, to, thread); break;
    case OP_PACK_BACKWARD: packBackward(c, from, to, thread); break;
    case OP_SIGN_PRODUCTS: signProducts(c, from, to, thread); break;
    case OP_SIGN_PRODUCT_BACKWARD: signProductBackward(c, from, to, thread); break;
    case OP_NONE: break;
    default: unreachable();
  }
}
