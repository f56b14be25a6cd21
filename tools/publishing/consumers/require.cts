// A program that is no ES module. Node loads ours by `require` in every version that `engines` allows.
import client = require("@zocalo/client");
import hub = require("@zocalo/hub");
import net = require("@zocalo/net");
import transport = require("@zocalo/net/transport");
import protocol = require("@zocalo/protocol");
import websocket = require("@zocalo/websocket");

const names: readonly string[] = [
  client.connect.name,
  hub.Hub.name,
  net.listen.name,
  transport.AcceptQueue.name,
  protocol.decodeCommand.name,
  websocket.dial.name,
];
console.log(names.join(" "));
// connect Hub listen AcceptQueue decodeCommand dial
