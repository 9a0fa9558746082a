import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packageRoot } from '../../store/paths.js'

const program = join(packageRoot(), 'node_modules/yaml-language-server/bin/yaml-language-server')

/** What an editor tells the server when it asks for settings. */
const settings: Readonly<Record<string, object>> = {
  // Without its own store of schemas, which it would fetch.
  yaml: { validate: true, hover: true, completion: true, schemaStore: { enable: false } },
}

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: unknown
  readonly result?: unknown
}

/** A proposal to go on writing. */
export interface Completion {
  readonly label: string
  readonly insertText?: string
  readonly documentation?: string | { readonly value: string }
}

/** The YAML language server as editors run it: over stdio. */
export class LanguageServer {
  private buffer = Buffer.alloc(0)
  private readonly waiting = new Map<number, (result: unknown) => void>()
  private readonly diagnostics = new Map<string, (messages: readonly string[]) => void>()
  private ids = 0
  private files = 0

  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {
    child.stdout!.on('data', (data: Buffer) => this.receive(data))
  }

  /** @param folder  of the files that are edited */
  static async start(folder: string): Promise<LanguageServer> {
    const child = spawn(process.execPath, [program, '--stdio'], { stdio: ['pipe', 'pipe', 'inherit'] })
    const server = new LanguageServer(child, folder)
    const capabilities = {
      textDocument: { hover: { contentFormat: ['plaintext'] } },
      workspace: { configuration: true },
    }
    await server.ask('initialize', { processId: process.pid, rootUri: pathToFileURL(folder).href, capabilities })
    server.send({ method: 'initialized', params: {} })
    return server
  }

  /** Proposals at the place that `‸` marks. */
  async complete(marked: string): Promise<readonly Completion[]> {
    const { items } = (await this.ask('textDocument/completion', this.open(marked))) as { items: Completion[] }
    return items
  }

  /** What is shown for the word at `‸`. */
  async hover(marked: string): Promise<string> {
    const found = (await this.ask('textDocument/hover', this.open(marked))) as { contents: { value: string } } | null
    return found?.contents.value ?? ''
  }

  /** What is underlined. */
  mistakes(text: string): Promise<readonly string[]> {
    const { textDocument } = this.open(text)
    return new Promise((resolve) => this.diagnostics.set(textDocument.uri, resolve))
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('close', resolve))
    this.child.kill()
    await ended
  }

  private open(marked: string) {
    const uri = pathToFileURL(join(this.folder, `edited-${this.files++}.yaml`)).href
    const before = marked.split('‸')[0]!.split('\n')
    const document = { uri, languageId: 'yaml', version: 1, text: marked.replace('‸', '') }
    this.send({ method: 'textDocument/didOpen', params: { textDocument: document } })
    return { textDocument: { uri }, position: { line: before.length - 1, character: before.at(-1)!.length } }
  }

  private ask(method: string, params: unknown): Promise<unknown> {
    const id = this.ids++
    const answer = new Promise((resolve) => this.waiting.set(id, resolve))
    this.send({ id, method, params })
    return answer
  }

  private send(message: Message): void {
    const text = JSON.stringify({ jsonrpc: '2.0', ...message })
    this.child.stdin!.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
  }

  private receive(data: Buffer): void {
    this.buffer = Buffer.concat([this.buffer, data])
    for (;;) {
      const end = this.buffer.indexOf('\r\n\r\n')
      const [, length] = /Content-Length: (\d+)/.exec(this.buffer.toString('latin1', 0, Math.max(0, end))) ?? []
      if (length === undefined || this.buffer.length < end + 4 + Number(length)) return
      const body = this.buffer.subarray(end + 4, end + 4 + Number(length))
      this.buffer = this.buffer.subarray(end + 4 + Number(length))
      this.handle(JSON.parse(body.toString()) as Message)
    }
  }

  private handle({ id, method, params, result }: Message): void {
    if (method === undefined) return this.waiting.get(id!)?.(result)
    if (method === 'textDocument/publishDiagnostics') {
      const { uri, diagnostics } = params as { uri: string; diagnostics: { message: string }[] }
      this.diagnostics.get(uri)?.(diagnostics.map(({ message }) => message))
    }
    if (id === undefined) return
    const { items = [] } = (params ?? {}) as { items?: { section: string }[] }
    const answer = method === 'workspace/configuration' ? items.map(({ section }) => settings[section] ?? {}) : null
    this.send({ id, result: answer })
  }
}
