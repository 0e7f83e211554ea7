"""pyVoIP as a phone that obeys its standard input.

    pyvoip.py USER REALM PASSWORD PROXY PORT

Commands, one a line: register, sign-off, call NUMBER, answer, hang-up. What happens is said on standard
output, one line each: registered, refused, signed off, ringing, answered, ended. It runs until its input ends.
"""

import os
import socket
import sys
import threading
import time

import pyVoIP
from pyVoIP.VoIP import CallState, PhoneStatus, VoIPPhone

user, realm, password, proxy, port = sys.argv[1:]
proxy_host, proxy_port = proxy.split(":")


class Socket(socket.socket):
    """Finds the realm, which is the only name that pyVoIP has for its server, without DNS."""

    def sendto(self, data, address):
        host, port = address
        return super().sendto(data, (proxy_host if host == realm else host, port))


socket.socket = Socket


class Phone(VoIPPhone):
    """Takes any free port for its voice: it can't know which of a range are free."""

    def request_port(self, blocking=True):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.assignedPorts.append(free.getsockname()[1])
        return self.assignedPorts[-1]


def say(words):
    print(words, flush=True)


def ring(call):
    global current
    current = call
    say("ringing")
    # While this returns, pyVoIP forgets the call.
    while call.state != CallState.ENDED:
        time.sleep(0.02)


def watch():
    """Says what becomes of the call: pyVoIP tells nobody."""
    call, state = None, None
    while True:
        time.sleep(0.02)
        if current is None or (current is call and current.state == state):
            continue
        call, state = current, current.state
        if state == CallState.ANSWERED:
            say("answered")
        if state == CallState.ENDED:
            say("ended")


def stop():
    phone.stop()
    say("signed off")


current = None
phone = Phone(
    realm,
    int(proxy_port),
    user,
    password,
    myIP="127.0.0.1",
    sipPort=int(port),
    callCallback=ring,
)
phone.start()
say("registered" if phone.get_status() == PhoneStatus.REGISTERED else "refused")
threading.Thread(target=watch, daemon=True).start()


def call(number):
    global current
    current = phone.call(number)


commands = {
    "register": lambda: say("registered" if phone.sip.register() else "refused"),
    "sign-off": stop,
    "call": call,
    "answer": lambda: current.answer(),
    "hang-up": lambda: current.hangup(),
}
for line in sys.stdin:
    command, *arguments = line.split()
    commands[command](*arguments)
os._exit(0)
