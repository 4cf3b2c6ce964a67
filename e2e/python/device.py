"""A device made of paho-mqtt, for tests: commands as lines of JSON on standard input, events on standard output.

The first line is the log-in: {"port", "id", "protocol": 5 or 311}, maybe "transport": "websockets", and either "secret",
or the files "ca", "cert" and "key" for TLS. Then:
{"do": "subscribe", "topic"} - {"do": "publish", "topic", "payload": hexadecimal, "qos"} - {"do": "leave"}
Events: connected, disconnected, subscribed, acknowledged, message. Reasons are numbers of MQTT.
"""

import json
import sys
import threading

import paho.mqtt.client as mqtt

lock = threading.Lock()


def tell(event, **more):
    with lock:
        print(json.dumps({"event": event, **more}), flush=True)


def main():
    who = json.loads(sys.stdin.readline())
    protocol = mqtt.MQTTv5 if who["protocol"] == 5 else mqtt.MQTTv311
    transport = who.get("transport", "tcp")
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id=who["id"], protocol=protocol, transport=transport
    )
    if "cert" in who:
        client.tls_set(who["ca"], who["cert"], who["key"])
    else:
        client.username_pw_set(who["id"], who["secret"])
    client.on_connect = lambda c, u, flags, reason, p: tell("connected", reason=reason.value)
    client.on_connect_fail = lambda c, u: tell("connected", reason=-1)
    client.on_disconnect = lambda c, u, flags, reason, p: tell("disconnected", reason=reason.value)
    client.on_subscribe = lambda c, u, mid, reasons, p: tell("subscribed", reasons=[r.value for r in reasons])
    client.on_publish = lambda c, u, mid, reason, p: tell("acknowledged", reason=reason.value)
    client.on_message = lambda c, u, message: tell("message", topic=message.topic, payload=message.payload.hex())
    client.connect("127.0.0.1", who["port"], keepalive=30)
    client.loop_start()
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "subscribe":
            client.subscribe(command["topic"], qos=1)
        elif command["do"] == "publish":
            client.publish(command["topic"], bytes.fromhex(command["payload"]), qos=command["qos"])
        elif command["do"] == "leave":
            break
    client.disconnect()
    client.loop_stop()


main()
