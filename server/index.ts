export { ensureServer, searchAttributes, serverStatus, stopServer, type ServerInfo } from './server.js'
