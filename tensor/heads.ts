import { LinearGraph } from './linear.js'
import { show, ShapeError } from './types.js'
import type { Value } from './value.js'

/** Options of a loss over the vocabulary. */
export interface HeadOptions {
  /**
   * Tokens processed at a time. Memory is chunk x vocabulary, never tokens x vocabulary.
   * @default as many as have 2^20 logits, at least 64
   */
  readonly chunk?: number
  /** Soft cap of the logits: cap * tanh(logits / cap). @default none */
  readonly softcap?: number
}

interface HeadInputs {
  /** Hidden states that receive a gradient, [N, d]. */
  readonly hidden: Value
  /** [V, d] */
  readonly head: Value
  /** Further inputs, one row per token: [N, …]. */
  readonly others: readonly Value[]
  /** For a chunk: the losses of its tokens, [C], and the gradient of their sum with respect to the logits, [C, V]. */
  readonly loss: (logits: Value, others: readonly Value[]) => { loss: Value; gradient: () => Value }
}

/** Losses over the vocabulary, computed chunk by chunk; the same pass over a chunk also yields its gradient. */
export class HeadGraph extends LinearGraph {
  /**
   * Weighted sum of the cross-entropy of next-token predictions.
   *
   * @param hidden   hidden states, [N, d]
   * @param head     output embedding, [V, d]
   * @param labels   ids of the next tokens, int64 [N]
   * @param weights  [N], of the type of `hidden`; 0 ignores a token
   * @returns a scalar, in nats
   * @throws ShapeError if the shapes do not fit
   * @example hidden [8, 128], head [1000, 128], labels int64 [8], weights [8]:
   * `g.crossEntropyHead(hidden, head, labels, weights)` → []. ONNX: Reshape, Expand, Scan
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
   * Weighted sum of KL(parent || child) between next-token distributions. The parent's distribution is treated as a
   * constant: `hiddenParent` receives no gradient, and `head` only that of the child's logits.
   *
   * @param hiddenParent  the parent's hidden states, [N, d]
   * @param hiddenChild   the child's hidden states, [N, d]
   * @param head          output embedding that both share, [V, d]
   * @param weights       [N], of the type of `hiddenChild`; 0 ignores a token
   * @returns a scalar, in nats
   * @throws ShapeError if the shapes do not fit
   * @example parent [8, 128], child [8, 128], head [1000, 128], weights [8]:
   * `g.klHead(parent, child, head, weights)` → []. ONNX: Reshape, Expand, Scan
   */
  klHead(hiddenParent: Value, hiddenChild: Value, head: Value, weights: Value, options: HeadOptions = {}): Value {
    if (show(hiddenParent.shape) !== show(hiddenChild.shape))
      throw new ShapeError('klHead', `parent ${show(hiddenParent.shape)} and child ${show(hiddenChild.shape)} differ`)
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

  /** Converts a gradient of the capped logits to one of the logits before the cap: d tanh = 1 - tanh^2. */
  private uncapped(gradient: Value, capped: Value, cap: number): Value {
    const share = this.mul(capped, this.like(capped, 1 / cap))
    return this.mul(gradient, this.sub(this.like(capped, 1), this.mul(share, share)))
  }

  private chunkedHead(operator: string, inputs: HeadInputs, options: HeadOptions): Value {
    const { hidden, head } = inputs
    const chunk = options.chunk ?? Math.max(64, Math.floor(2 ** 20 / Number(head.shape[0])))
    const [n, d] = hidden.shape
    if (hidden.shape.length !== 2 || head.shape.length !== 2 || d !== head.shape[1])
      throw new ShapeError(operator, `hidden ${show(hidden.shape)} and head ${show(head.shape)} do not fit`)
    for (const v of inputs.others)
      if (v.shape[0] !== n)
        throw new ShapeError(operator, `${show(v.shape)} does not have a row for each of ${n} tokens`)
    const tokens = Number(n)
    const chunks = Math.ceil(tokens / chunk)
    const size = Math.ceil(tokens / chunks)
    // Padded with zeros to whole chunks: their weight is 0.
    const [sliced, ...others] = this.untaped(() =>
      [hidden, ...inputs.others].map((v) => {
        const padding = chunks * size - tokens
        const full = padding ? this.concat([v, this.zeros([padding, ...v.shape.slice(1)], v.dtype)], 0) : v
        return this.reshape(full, [chunks, size, ...v.shape.slice(1)])
      }),
    )

    const zero = this.scalar(0, hidden.dtype)
    const dHeadStart = this.zeros(head.shape, head.dtype)
    /** Builds the scan over all chunks. It returns the sum, then the gradients requested: head [V, d], hidden [chunks, size, d]. */
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
    const lossOnly = build(false, false)
    const [total] = this.emit('Scan', [zero, sliced!, ...others], [[hidden.dtype, []]], lossOnly.attributes)
    const node = this.lastNode()
    this.record({
      outputs: [total!],
      inputs: [hidden, head],
      rule: ([dy], [wantHidden = false, wantHead = false]) => {
        if (!dy) return []
        // The existing scan computes the gradients as well from now on.
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
