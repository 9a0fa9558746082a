import { ElementwiseGraph } from './elementwise.js'
import type { Value } from './value.js'

/** Element-wise functions of one tensor. None changes the shape or the type. */
export class UnaryGraph extends ElementwiseGraph {
  /**
   * Exponential, e^x.
   *
   * @example x [8, 128]: `g.exp(x)` → [8, 128]. ONNX: Exp
   */
  exp(x: Value): Value {
    return this.unary('Exp', x, (dy, y) => this.mul(dy, y))
  }

  /**
   * Natural logarithm.
   *
   * @example x [8, 128]: `g.log(x)` → [8, 128]. ONNX: Log
   */
  log(x: Value): Value {
    return this.unary('Log', x, (dy) => this.div(dy, x))
  }

  /**
   * Square root.
   *
   * @example x [8, 128]: `g.sqrt(x)` → [8, 128]. ONNX: Sqrt
   */
  sqrt(x: Value): Value {
    return this.unary('Sqrt', x, (dy, y) => this.div(this.mul(dy, this.like(x, 0.5)), y))
  }

  /**
   * Squares, x * x.
   *
   * @example x [8, 128]: `g.square(x)` → [8, 128]. ONNX: Mul
   */
  square(x: Value): Value {
    return this.mul(x, x)
  }

  /**
   * Absolute value; its gradient at 0 is 0.
   *
   * @example x [8, 128]: `g.abs(x)` → [8, 128]. ONNX: Abs
   */
  abs(x: Value): Value {
    return this.unary('Abs', x, (dy) => this.mul(dy, this.unary('Sign', x)))
  }

  /**
   * Raises x to a constant power.
   *
   * @example x [8, 128]: `g.pow(x, 3)` → [8, 128]. ONNX: Pow
   */
  pow(x: Value, exponent: number): Value {
    const rule = (dy: Value) => [
      () => this.mul(dy, this.mul(this.like(x, exponent), this.pow(x, exponent - 1))),
      undefined,
    ]
    return this.one('Pow', [x, this.like(x, exponent)], x.shape, { rule })
  }

  /**
   * Logistic function, 1 / (1 + e^-x).
   *
   * @example x [8, 128]: `g.sigmoid(x)` → [8, 128]. ONNX: Sigmoid
   */
  sigmoid(x: Value): Value {
    return this.unary('Sigmoid', x, (dy, y) => this.mul(dy, this.mul(y, this.sub(this.like(y, 1), y))))
  }

  /**
   * SiLU, also called swish: x * sigmoid(x).
   *
   * @source Hendrycks & Gimpel 2016, arXiv 1606.08415, section 2; Elfwing et al. 2017, arXiv 1702.03118
   * @example x [8, 128]: `g.silu(x)` → [8, 128]. ONNX: Sigmoid, Mul
   */
  silu(x: Value): Value {
    const s = this.untaped(() => this.sigmoid(x))
    const y = this.untaped(() => this.mul(x, s))
    this.record({
      outputs: [y],
      inputs: [x],
      // d/dx = s + y (1 - s)
      rule: ([dy]) => [dy && (() => this.mul(dy, this.add(s, this.mul(y, this.sub(this.like(s, 1), s)))))],
    })
    return y
  }

  /**
   * Hyperbolic tangent.
   *
   * @example x [8, 128]: `g.tanh(x)` → [8, 128]. ONNX: Tanh
   */
  tanh(x: Value): Value {
    return this.unary('Tanh', x, (dy, y) => this.mul(dy, this.sub(this.like(y, 1), this.mul(y, y))))
  }

  /**
   * Soft cap, cap * tanh(x / cap): close to x where |x| is small, never beyond ±cap.
   *
   * @source Gemma Team 2024, "Gemma 2", arXiv 2408.00118, section 2
   * @example x [8, 128]: `g.softcap(x, 30)` → [8, 128]. ONNX: Mul, Tanh
   */
  softcap(x: Value, cap: number): Value {
    return this.mul(this.tanh(this.mul(x, this.like(x, 1 / cap))), this.like(x, cap))
  }

  /**
   * GELU by its tanh approximation, x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
   *
   * @source Hendrycks & Gimpel 2016, arXiv 1606.08415, section 2
   * @example x [8, 128]: `g.geluTanh(x)` → [8, 128]. ONNX: Mul, Add, Tanh
   */
  geluTanh(x: Value): Value {
    const cubed = this.mul(this.mul(x, x), this.mul(x, this.like(x, 0.044715)))
    const inner = this.mul(this.add(x, cubed), this.like(x, Math.sqrt(2 / Math.PI)))
    return this.mul(this.mul(x, this.like(x, 0.5)), this.add(this.tanh(inner), this.like(x, 1)))
  }

  /**
   * Rectified linear unit, max(x, 0); its gradient at 0 is 0.
   *
   * @example x [8, 128]: `g.relu(x)` → [8, 128]. ONNX: Relu
   */
  relu(x: Value): Value {
    return this.unary('Relu', x, (dy) => this.mul(dy, this.unary('Sign', this.unary('Relu', x))))
  }

  /**
   * Softplus, log(1 + e^x), without overflow.
   *
   * @example x [8, 128]: `g.softplus(x)` → [8, 128]. ONNX: Relu, Abs, Neg, Exp, Add, Log
   */
  softplus(x: Value): Value {
    // max(x, 0) + log(1 + exp(-|x|)) does not overflow, and unlike ONNX's Softplus it runs in float64.
    const y = this.untaped(() =>
      this.add(this.relu(x), this.log(this.add(this.like(x, 1), this.exp(this.neg(this.abs(x)))))),
    )
    this.record({ outputs: [y], inputs: [x], rule: ([dy]) => [dy && (() => this.mul(dy, this.sigmoid(x)))] })
    return y
  }
}
