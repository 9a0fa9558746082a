// `node examples/browser/serve.mjs FOLDER [PORT]`: serves the page for a model that was exported as ONNX, on this machine
// only. Nothing is built: the page, the model's files, onnxruntime-web and the tokenizer library go out as they lie.
import { createReadStream, readdirSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [folder, port = '8017'] = process.argv.slice(2)
if (folder === undefined) {
  console.error('Usage: node serve.mjs FOLDER [PORT], where FOLDER holds model.onnx')
  process.exit(1)
}
const here = dirname(fileURLToPath(import.meta.url))
const beside = (name) => dirname(fileURLToPath(import.meta.resolve(name)))

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
}

/** Files of a folder by the address they are served under. */
const filesOf = (path, prefix, wanted) =>
  readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isFile() && wanted.test(entry.name))
    .map(({ name }) => [`${prefix}${name}`, join(path, name)])

// Only what is listed here can be asked for, whatever an address says.
const files = new Map([
  ['/', join(here, 'index.html')],
  ...filesOf(here, '/', /\.js$/),
  ...filesOf(folder, '/model/', /^(config|tokenizer|tokenizer_config)\.json$|^model\.onnx(\.data)?$/),
  ...filesOf(beside('onnxruntime-web'), '/ort/', /^ort\.wasm\.min\.mjs$|^ort-wasm-simd-threaded\.(mjs|wasm)$/),
  ['/tokenizers.mjs', join(beside('@huggingface/tokenizers'), 'tokenizers.min.mjs')],
])
if (!files.has('/model/model.onnx')) {
  console.error(`${folder} holds no model.onnx: export a model as ONNX first`)
  process.exit(1)
}

const server = createServer((request, response) => {
  const path = files.get(new URL(request.url, 'http://localhost').pathname)
  if (request.method !== 'GET' || path === undefined) {
    response.writeHead(path === undefined ? 404 : 405).end()
    return
  }
  response.writeHead(200, {
    'content-type': types[extname(path)] ?? 'application/octet-stream',
    'content-length': statSync(path).size,
    'content-security-policy':
      "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'",
    'x-content-type-options': 'nosniff',
  })
  createReadStream(path)
    .on('error', () => response.destroy())
    .pipe(response)
})
server.listen(Number(port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`))
