import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Connection } from '@temporalio/client'
import Long from 'long'
import { pause } from '../../server/processes.js'
import { endChild } from '../processes.js'
import { freePort } from '../../server/ports.js'
import { ApiKeys, makeCertificates, type Certificates } from './certificates.js'
import type { ServerPrograms } from './official-programs.js'
import type { Postgres } from './postgres.js'

const run = promisify(execFile)

/** With authorization the server's own workers need a frontend of their own. */
const services = ['frontend', 'internal-frontend', 'history', 'matching', 'worker']

const databases = { default: 'temporal', visibility: 'temporal_visibility' } as const

/** Temporal's server on PostgreSQL, as an administrator sets it up: mutual TLS, API keys, fairness. */
export class OfficialServer {
  private process: ChildProcess | undefined

  private constructor(
    private readonly programs: ServerPrograms,
    readonly postgres: Postgres,
    readonly folder: string,
    readonly certificates: Certificates,
    readonly keys: ApiKeys,
    readonly port: number,
  ) {}

  static async start(programs: ServerPrograms, postgres: Postgres): Promise<OfficialServer> {
    const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-official-'))
    const port = await freePort(postgres.port + 1)
    const server = new OfficialServer(programs, postgres, folder, makeCertificates(folder), ApiKeys.make(folder), port)
    try {
      await server.setUpSchema()
      writeFileSync(join(folder, 'dynamic.yaml'), 'matching.enableFairness:\n  - value: true\n')
      // JSON is YAML too.
      writeFileSync(join(folder, 'server.yaml'), JSON.stringify(await server.configuration(), undefined, 2))
      await server.resume()
      return server
    } catch (error) {
      await server.stop()
      throw error
    }
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }
  get log(): string {
    return join(this.folder, 'server.log')
  }

  private async setUpSchema(): Promise<void> {
    for (const [kind, database] of Object.entries(databases)) {
      const { port, user, password } = this.postgres
      const to = ['--plugin', 'postgres12', '--endpoint', '127.0.0.1', '--port', `${port}`, '--user', user]
      const tool = (...args: readonly string[]) =>
        run(this.programs.sqlTool, [...to, '--database', database, ...args], {
          env: { ...process.env, SQL_PASSWORD: password },
        })
      const schema = kind === 'default' ? 'postgresql/v12/temporal' : 'postgresql/v12/visibility'
      await tool('create-database')
      await tool('setup-schema', '--version', '0.0')
      await tool('update-schema', '--schema-name', schema)
    }
  }

  private async configuration(): Promise<object> {
    const { postgres, certificates, keys } = this
    const { authority, server } = certificates
    const ports: number[] = []
    for (let next = this.port + 1; ports.length < 2 * services.length; next = ports.at(-1)! + 1)
      ports.push(await freePort(next))
    const service = (i: number) => ({
      rpc: {
        grpcPort: i === 0 ? this.port : ports[2 * i]!,
        membershipPort: ports[2 * i + 1]!,
        bindOnIP: '127.0.0.1',
      },
    })
    const sql = (databaseName: string) => ({
      sql: {
        pluginName: 'postgres12',
        databaseName,
        connectAddr: `127.0.0.1:${postgres.port}`,
        connectProtocol: 'tcp',
        user: postgres.user,
        password: postgres.password,
        maxConns: 20,
        maxIdleConns: 20,
      },
    })
    const tls = {
      server: {
        certFile: server.certificate,
        keyFile: server.key,
        requireClientAuth: true,
        clientCaFiles: [authority],
      },
      client: { serverName: 'temporal.test', rootCaFiles: [authority] },
    }
    return {
      log: { stdout: true, level: 'warn' },
      persistence: {
        defaultStore: 'default',
        visibilityStore: 'visibility',
        numHistoryShards: 4,
        datastores: { default: sql(databases.default), visibility: sql(databases.visibility) },
      },
      global: {
        membership: { maxJoinDuration: '30s', broadcastAddress: '127.0.0.1' },
        tls: { frontend: tls, internode: tls },
        authorization: {
          authorizer: 'default',
          claimMapper: 'default',
          jwtKeyProvider: { keySourceURIs: [`file://${keys.publicFile}`] },
        },
      },
      services: Object.fromEntries(services.map((name, i) => [name, service(i)])),
      clusterMetadata: {
        enableGlobalNamespace: false,
        failoverVersionIncrement: 10,
        masterClusterName: 'active',
        currentClusterName: 'active',
        clusterInformation: {
          active: { enabled: true, initialFailoverVersion: 1, rpcName: 'frontend', rpcAddress: this.address },
        },
      },
      dcRedirectionPolicy: { policy: 'noop' },
      dynamicConfigClient: { filepath: join(this.folder, 'dynamic.yaml'), pollInterval: '10s' },
    }
  }

  /** Starts it, also after `crash`. */
  async resume(): Promise<void> {
    const output = openSync(this.log, 'a')
    const which = services.flatMap((name) => ['--service', name])
    const config = ['--config-file', join(this.folder, 'server.yaml')]
    this.process = spawn(this.programs.server, [...config, 'start', ...which], {
      cwd: this.folder,
      stdio: ['ignore', output, output],
    })
    closeSync(output)
    for (;;) {
      if (this.process.exitCode !== null) throw new Error(`Temporal did not start:\n${readFileSync(this.log, 'utf8')}`)
      try {
        const connection = await this.connectAsAdministrator()
        await connection.workflowService.listNamespaces({}).finally(() => connection.close())
        return
      } catch {
        // The server says nowhere that it serves: it is asked until it answers.
        await pause(100)
      }
    }
  }

  async connectAsAdministrator(): Promise<Connection> {
    const { authority, client } = this.certificates
    return Connection.connect({
      address: this.address,
      apiKey: this.keys.for('temporal-system:admin'),
      connectTimeout: 2000,
      tls: {
        serverRootCACertificate: readFileSync(authority),
        clientCertPair: { crt: readFileSync(client.certificate), key: readFileSync(client.key) },
      },
    })
  }

  /** Makes a namespace, and waits until the server knows it. */
  async makeNamespace(namespace: string, retentionDays: number): Promise<void> {
    const connection = await this.connectAsAdministrator()
    try {
      const workflowExecutionRetentionPeriod = { seconds: Long.fromNumber(retentionDays * 86_400) }
      await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod })
      for (;;)
        try {
          await connection.operatorService.listSearchAttributes({ namespace })
          return
        } catch {
          // A new namespace is known to the server a little later: it is asked until it is.
          await pause(200)
        }
    } finally {
      await connection.close()
    }
  }

  /** Settings by which Temporal's clients reach a namespace. */
  environment(namespace: string, apiKey: string): Record<string, string> {
    const { authority, client } = this.certificates
    return {
      TEMPORAL_ADDRESS: this.address,
      TEMPORAL_NAMESPACE: namespace,
      TEMPORAL_API_KEY: apiKey,
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: authority,
      TEMPORAL_TLS_CLIENT_CERT_PATH: client.certificate,
      TEMPORAL_TLS_CLIENT_KEY_PATH: client.key,
    }
  }

  /** Ends it as a power failure does. */
  async crash(): Promise<void> {
    await endChild(this.process)
  }

  async stop(): Promise<void> {
    await this.crash()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
