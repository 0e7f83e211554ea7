"""PJSUA2, the library under pjsua, as a phone that obeys its standard input.

    pjsua.py USER REALM PASSWORD PROXY PORT

Commands, one a line: register, sign-off, call NUMBER, answer, hang-up. What happens is said on standard
output, one line each: registered, refused, signed off, ringing, ringing back, answered, ended. There is no
sound. It runs until its input ends.
"""

import os
import select
import sys

import pjsua2 as pj


def say(words):
    print(words, flush=True)


class Call(pj.Call):
    def onCallState(self, prm):
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_EARLY and info.role == pj.PJSIP_ROLE_UAC:
            say("ringing back")
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            say("answered")
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            say("ended")


class Account(pj.Account):
    call = None

    def onRegState(self, prm):
        if prm.code != 200:
            say("refused")
        else:
            say("registered" if prm.expiration > 0 else "signed off")

    def onIncomingCall(self, prm):
        self.call = Call(self, prm.callId)
        self.call.answer(with_status(180))
        say("ringing")


def with_status(status):
    prm = pj.CallOpParam(True)
    prm.statusCode = status
    return prm


def main(user, realm, password, proxy, port):
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.logConfig.level = 4
    config.logConfig.consoleLevel = 0
    config.logConfig.filename = "trace"
    endpoint.libInit(config)
    endpoint.audDevManager().setNullDev()
    transport = pj.TransportConfig()
    transport.port = int(port)
    transport.boundAddress = "127.0.0.1"
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()

    config = pj.AccountConfig()
    config.idUri = f"sip:{user}@{realm}"
    config.regConfig.registrarUri = f"sip:{realm}"
    config.sipConfig.proxies.append(f"sip:{proxy};lr")
    config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
    account = Account()
    account.create(config)

    def call(number):
        account.call = Call(account)
        account.call.makeCall(f"sip:{number}@{realm}", pj.CallOpParam(True))

    commands = {
        "register": lambda: account.setRegistration(True),
        "sign-off": lambda: account.setRegistration(False),
        "call": call,
        "answer": lambda: account.call.answer(with_status(200)),
        "hang-up": lambda: account.call.hangup(pj.CallOpParam(True)),
    }
    # Not buffered: select would not see what has been read.
    commands_given = os.fdopen(0, "rb", buffering=0)
    while True:
        endpoint.libHandleEvents(20)
        if not select.select([commands_given], [], [], 0)[0]:
            continue
        command, *arguments = commands_given.readline().decode().split() or ["end"]
        if command == "end":
            break
        commands[command](*arguments)
    os._exit(0)


main(*sys.argv[1:])
