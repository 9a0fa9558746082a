export { answers, searchAttributes } from './namespace.js'
export { commandLine, endProcess, pause } from './processes.js'
export { ensureServer, serverStatus, stopServer, type ServerInfo } from './server.js'
