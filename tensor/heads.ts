import type { Value } from './core.js'
import { LinearGraph } from './linear.js'
import { show, ShapeError } from './types.js'

/** How a head is computed. */
export interface HeadOptions {
  /** Tokens at a time: memory is chunk x vocabulary, never tokens x vocabulary. Default: 2^20 logits, at least 64 tokens. */
  readonly chunk?: number
  /** Logits become cap * tanh(logits / cap). Default: they stay as they are. */
  readonly softcap?: number
}

interface HeadInputs {
  /** Differentiated, [N, d]. */
  readonly hidden: Value
  readonly head: Value
  /** Sliced by tokens: [N, …]. */
  readonly others: readonly Value[]
  /** Of a chunk: losses of its tokens [C], and the gradient of their sum for the logits [C, V] */
  readonly loss: (logits: Value, others: readonly Value[]) => { loss: Value; gradient: () => Value }
}

/** Losses over a vocabulary, by chunks of tokens; the gradient is found within the forward chunk. */
export class HeadGraph extends LinearGraph {
  /**
   * Cross-entropy of next tokens, summed with weights.
   * @param hidden   [N, d]
   * @param head     [V, d]
   * @param labels   int64 [N]
   * @param weights  float32 [N]; 0 leaves a token out
   * @returns        scalar
   */
  crossEntropyHead(hidden: Value, head: Value, labels: Value, weights: Value, options: HeadOptions = {}): Value {
    const loss: HeadInputs['loss'] = (logits, [label, weight]) => {
      const logp = this.logSoftmax(logits, -1)
      const picked = this.gatherElements(logp, this.unsqueeze(label!, 1), 1)
      return {
        loss: this.mul(this.neg(this.squeeze(picked, 1)), weight!),
        gradient: () => {
          const column = this.unsqueeze(weight!, 1)
          return this.emit(
            'ScatterElements',
            [this.mul(this.exp(logp), column), this.unsqueeze(label!, 1), this.neg(column)],
            [[logits.dtype, logits.shape]],
            { axis: 1, reduction: 'add' },
          )[0]!
        },
      }
    }
    return this.chunkedHead('crossEntropyHead', { hidden, head, others: [labels, weights], loss }, options)
  }

  /**
   * KL(parent || child) of next-token distributions, summed with weights. The parent's side is taken as constant: no
   * gradient goes to `hiddenParent`, and that of `head` is of the child's logits alone.
   * @param hiddenParent  [N, d]
   * @param hiddenChild   [N, d]
   * @param head          [V, d], of both
   * @param weights       float32 [N]
   * @returns             scalar
   */
  klHead(hiddenParent: Value, hiddenChild: Value, head: Value, weights: Value, options: HeadOptions = {}): Value {
    if (show(hiddenParent.shape) !== show(hiddenChild.shape))
      throw new ShapeError('klHead', `parent ${show(hiddenParent.shape)} and child ${show(hiddenChild.shape)}`)
    const loss: HeadInputs['loss'] = (logits, [parent, weight]) => {
      const logq = this.logSoftmax(logits, -1)
      const raw = this.gemm(parent!, head, { transB: true })
      const logp = this.logSoftmax(options.softcap === undefined ? raw : this.softcap(raw, options.softcap), -1)
      const p = this.exp(logp)
      return {
        loss: this.mul(this.sum(this.mul(p, this.sub(logp, logq)), [1]), weight!),
        gradient: () => this.mul(this.sub(this.exp(logq), p), this.unsqueeze(weight!, 1)),
      }
    }
    return this.chunkedHead('klHead', { hidden: hiddenChild, head, others: [hiddenParent, weights], loss }, options)
  }

  /** A gradient for capped logits as one for what they were before: d tanh = 1 - tanh^2. */
  private uncapped(gradient: Value, capped: Value, cap: number): Value {
    const share = this.mul(capped, this.like(capped, 1 / cap))
    return this.mul(gradient, this.sub(this.like(capped, 1), this.mul(share, share)))
  }

  private chunkedHead(operator: string, inputs: HeadInputs, options: HeadOptions): Value {
    const { hidden, head } = inputs
    const chunk = options.chunk ?? Math.max(64, Math.floor(2 ** 20 / Number(head.shape[0])))
    const [n, d] = hidden.shape
    if (hidden.shape.length !== 2 || head.shape.length !== 2 || d !== head.shape[1])
      throw new ShapeError(operator, `hidden ${show(hidden.shape)} and head ${show(head.shape)}`)
    for (const v of inputs.others)
      if (v.shape[0] !== n) throw new ShapeError(operator, `${n} tokens, but ${show(v.shape)}`)
    const tokens = Number(n)
    const chunks = Math.ceil(tokens / chunk)
    const size = Math.ceil(tokens / chunks)
    // Filled up with zeros: weight 0.
    const [sliced, ...others] = this.untaped(() =>
      [hidden, ...inputs.others].map((v) => {
        const fill = chunks * size - tokens
        const full = fill ? this.concat([v, this.zeros([fill, ...v.shape.slice(1)], v.dtype)], 0) : v
        return this.reshape(full, [chunks, size, ...v.shape.slice(1)])
      }),
    )

    const zero = this.scalar(0, hidden.dtype)
    const dHeadStart = this.zeros(head.shape, head.dtype)
    /** The scan of all chunks. Results: the sum, then [chunks, size, d] and [V, d] where wanted. */
    const build = (wantHidden: boolean, wantHead: boolean) => {
      const carried = wantHead ? [zero, dHeadStart] : [zero]
      const scope = this.body(() =>
        this.untaped(() => {
          const states = carried.map((v) => this.input(this.fresh(), v.dtype, v.shape))
          const [h, ...rest] = [sliced!, ...others].map((v) => this.input(this.fresh(), v.dtype, v.shape.slice(1)))
          const raw = this.gemm(h!, head, { transB: true })
          const capped = options.softcap === undefined ? raw : this.softcap(raw, options.softcap)
          const { loss, gradient } = inputs.loss(capped, rest)
          this.output(this.fresh(), this.add(states[0]!, this.sum(loss)))
          if (!wantHidden && !wantHead) return
          const dLogits =
            options.softcap === undefined ? gradient() : this.uncapped(gradient(), capped, options.softcap)
          if (wantHead) this.output(this.fresh(), this.add(states[1]!, this.gemm(dLogits, h!, { transA: true })))
          if (wantHidden) this.output(this.fresh(), this.gemm(dLogits, head))
        }),
      )
      return {
        inputs: [...carried, sliced!, ...others].map((v) => v.name),
        attributes: { body: { graph: () => this.recordOf(scope) }, num_scan_inputs: 1 + others.length },
      }
    }
    const plain = build(false, false)
    const [total] = this.emit('Scan', [zero, sliced!, ...others], [[hidden.dtype, []]], plain.attributes)
    const node = this.lastNode()
    this.record({
      outputs: [total!],
      inputs: [hidden, head],
      rule: ([dy], [wantHidden = false, wantHead = false]) => {
        if (!dy) return []
        // The scan that is there computes the gradients as well from now on.
        Object.assign(node, build(wantHidden, wantHead))
        const dHead = wantHead ? this.extend(node, head.dtype, head.shape) : undefined
        const dHidden = wantHidden ? this.extend(node, hidden.dtype, [chunks, size, d!]) : undefined
        return [
          dHidden &&
            (() => {
              const flat = this.reshape(dHidden, [chunks * size, d!])
              return this.mul(chunks * size === tokens ? flat : this.slice(flat, 0, 0, tokens), dy)
            }),
          dHead && (() => this.mul(dHead, dy)),
        ]
      },
    })
    return total!
  }
}
