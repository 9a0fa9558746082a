import * as ort from './ort/ort.wasm.min.mjs'
import { Tokenizer } from './tokenizers.mjs'

ort.env.wasm.wasmPaths = new URL('./ort/', import.meta.url).href
// More threads need pages that are isolated from other origins.
ort.env.wasm.numThreads = 1

async function get(path) {
  const response = await fetch(path)
  if (!response.ok) throw new Error(`${path}: ${response.status} ${response.statusText}`)
  return response
}

/** A model that puzzleflow exported as ONNX, with its tokenizer. */
export class Child {
  /** @param folder  address of the exported folder */
  static async open(folder) {
    const json = async (name) => (await get(`${folder}/${name}`)).json()
    const bytes = async (name) => new Uint8Array(await (await get(`${folder}/${name}`)).arrayBuffer())
    const child = new Child()
    const [config, tokenizer] = await Promise.all([json('config.json'), json('tokenizer.json')])
    child.about = config.puzzleflow.onnx
    child.ends = [config.eos_token_id ?? []].flat()
    child.tokenizer = new Tokenizer(tokenizer, await json('tokenizer_config.json').catch(() => ({})))
    const { file, data } = child.about
    child.session = await ort.InferenceSession.create(await bytes(file), {
      executionProviders: ['wasm'],
      ...(data && { externalData: [{ path: data, data: await bytes(data) }] }),
    })
    return child
  }

  /** Continues a text by the most likely token each time; yields all new text after every token. */
  async *generate(prompt, count) {
    let ids = Array.from(this.tokenizer.encode(prompt, { add_special_tokens: true }).ids)
    if (ids.length === 0) throw new Error('There is no text to continue.')
    // All state is empty at first: no rows, or zeros where it has one size.
    let state = Object.fromEntries(
      this.about.states.map(({ input, shape }) => {
        const dims = shape.map((size) => (size === 'batch_size' ? 1 : Number(size) || 0))
        return [input, new ort.Tensor('float32', new Float32Array(dims.reduce((n, d) => n * d, 1)), dims)]
      }),
    )
    const found = []
    for (let seen = 0; found.length < count;) {
      seen += ids.length
      const out = await this.session.run({
        ...state,
        input_ids: new ort.Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]),
        attention_mask: new ort.Tensor('int64', new BigInt64Array(seen).fill(1n), [1, seen]),
      })
      state = Object.fromEntries(this.about.states.map(({ input, output }) => [input, out[output]]))
      const vocabulary = out.logits.dims[2]
      const last = out.logits.data.subarray(out.logits.data.length - vocabulary)
      const next = last.indexOf(last.reduce((a, b) => Math.max(a, b)))
      if (this.ends.includes(next)) return
      found.push(next)
      ids = [next]
      yield this.tokenizer.decode(found, { skip_special_tokens: true })
    }
  }
}
