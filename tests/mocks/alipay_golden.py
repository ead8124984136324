"""Signatures of Alipay's texts by OpenSSL 3.0.19 (`openssl dgst -sha256 -sign`), with a key made for this alone."""

PRIVATE = """-----BEGIN RSA PRIVATE KEY-----
MIIEowIBAAKCAQEAgzxrhUXdr2fsdZnWVG0BNYCAW5p6HA1ABY10WDij+c8OySpS
f6eWl3Zp4dH61TzNnO98PyLkFhea//sK3nKMavNMQXav1NklMEUP3KduVvIQbUlN
ZZvyBG2j2Vu0iH2V+Gclsr7en7Hcvsju9Q8QDxQmkd+WluyN34Qyuqemf2T+y73b
tu5qQdZPHONS3+nUgsqYlr4ddh5BysFoAeDhc4NOxp7DF0jQ9yPMIGvBLiR7E2ZM
O/U1RU1jmOfG2SzhwECOOPaS9jKzTOqddIH1IjVhn5dLrkJQr8As2xn21i4lW648
PmKIa2xR7XoISuNPN4CrOz9f+i6AK5m4x5jl3QIDAQABAoIBAAOzxEF0/FyxqZal
AZyNm6yorcQHyliUdPgDIaxaviEyurM7UmHWUfFIRVww5arbrqcajODKFvERm3r5
al2LNl0X4n5wI4jsQNzbRno+QV2BewdeO43U8RPu1OID56s4NAqyl6f76mWmaXif
XpTxAjvcYNhQbq5MNwP1UWDnIqWf/k9IbOAnw/3x/czHQ5pSSQhlW6ugOY5rwjwS
DJqiUZoL2qYtj1gAs1/gb9LbqE8js8kNGUwAr3+Pcw/g/ftAPzOosDni0Luz2wF9
VUtANNbHZJyBUa6tJS6k32vlMJ75ThOEp7jErmzH8dfS+MLyNUxxBhtr0D3CsI1X
hCZ+4TECgYEAuNCREz22nRq2q9qLMDyAH04hxdC2ss1R0JbsIcME63OobTkjOduG
zMVAPgtatdWWDmJpBIaBtH1/YMSCPDym8XsrlC/x2bvBgUnrOpCE8YsKaPUP7fKw
XJ+r7v+yrTZ2z1cIr8l3RhZmOw0L4n2i50MPRhYcO+iTNwv5W3F8QhECgYEAtcjK
Pf7pouk9v/u471luz80B8nMzbcEzA7bA5oy1OhRTEpreusLcSaKSigVfff6lO4Z9
wO6gH6+xrX0hZo6BpxLZPolFt5Q8QKLt1Lzw0kxl/Pe+UP1NJSne6bxw1ae82ROY
AAcPJQgohAe+7RYaopWplMFpqslZ9xo6BiZ12w0CgYEAmjNjKFOwfyqfyYnB4pBI
MlaFdUBsf4kyP0D9ajoGa9GHcQJgctDIiyf1Lw9YMykvV3ciumTj6c1gL0Qmic3t
WMR1GuJZ/1pZ3N7pBmc4lTR2jhYSoW2BWvbahMIRudYckWjD1a/Z9b+QsqpzBRng
huZ74vVlv1KRKjeyaWqpy5ECgYAy/MStKujBRwaI6MPwbndEVc4sAN/18vCqJAJr
KCBU0AqU91dtruY2ySCtEeC86EXUMl7nVIcZHCCL9sL9jw8Sm5jPj5U8bpmPz6NB
vlUVx1P75kk9Ui7nM51QlghYBRpVEMfbih9XVbh3f+yvdzm1TKEqFi3bN2rCglqw
Cu2XqQKBgBCEwhEZQ+ZgzWxWOaxfwIvsnyEBQQJCneWlsRgrsdlrhFkCHmLfI6eX
pQMbqxgGdXUepLFZOYjeXptJ5pG3EmgkUWorqCFlxXSqTg8lEENjlkWU54r6FnZE
+zSo686Bc0vzaTA0qvPJ7S5cHxIVkaMtt9lHQ0J8uuzeiTi2QaNw
-----END RSA PRIVATE KEY-----
"""
PUBLIC = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAgzxrhUXdr2fsdZnWVG0B
NYCAW5p6HA1ABY10WDij+c8OySpSf6eWl3Zp4dH61TzNnO98PyLkFhea//sK3nKM
avNMQXav1NklMEUP3KduVvIQbUlNZZvyBG2j2Vu0iH2V+Gclsr7en7Hcvsju9Q8Q
DxQmkd+WluyN34Qyuqemf2T+y73btu5qQdZPHONS3+nUgsqYlr4ddh5BysFoAeDh
c4NOxp7DF0jQ9yPMIGvBLiR7E2ZMO/U1RU1jmOfG2SzhwECOOPaS9jKzTOqddIH1
IjVhn5dLrkJQr8As2xn21i4lW648PmKIa2xR7XoISuNPN4CrOz9f+i6AK5m4x5jl
3QIDAQAB
-----END PUBLIC KEY-----
"""
REQUEST = {
    "method": "alipay.trade.precreate",
    "app_id": "2021000000001001",
    "charset": "utf-8",
    "sign_type": "RSA2",
    "timestamp": "2026-11-24 12:00:00",
    "version": "1.0",
    "return_url": "",
    "notify_url": "http://127.0.0.1/n?a=1&b=+",
    "biz_content": '{"out_trade_no":"G1","total_amount":"19.99","subject":"会员 充值&x=1"}',
}
REQUEST_TEXT = (
    'app_id=2021000000001001&biz_content={"out_trade_no":"G1","total_amount":"19.99","subject":"会员 充值&x=1"}'
    "&charset=utf-8&method=alipay.trade.precreate&notify_url=http://127.0.0.1/n?a=1&b=+&sign_type=RSA2"
    "&timestamp=2026-11-24 12:00:00&version=1.0"
)
REQUEST_SIGN = (
    "d3uAA/3pFhl2IFE6iSBeh3+Zt0OhAK1VXGgebveRrRChbVG5+YFldOxzcEf3DYuOFuGz2T4Nm0LRchY49XseB+J6xYRDSUdYgqlO"
    "+E6LaCgSkZAagTzfQ1sIw3G59DzYeeRbk1rAzwx7tewuRF9OWRSJBSCQWghaaw5D/dQPSFq3F3sV2TrtoPBegS8LuZzJv50WrhAG"
    "PU3sCUPG4uNzqXpbvdNAvwGX2yeA+LnrlhZ9u542iagp7QeflFr2VHndJc9Y4Ix06YyQRPRyu5PlobN5GLL58+WM9yuclXsFF79A"
    "72waUxQVFhGloIrMoYtnUKmrlWd1ZbLskocDGC42/A=="
)
REQUEST_SIGN_SHA1 = (
    "KmOw4CFB0fhlzv50GoubWMZObXPCpI+WmoOvMigq91ESaL/7SYPSygYm6j8hv40uZgEvihmYu2PeXdU7ObbFGZYGvxUiwcUlxnLZ"
    "H5QRcGGLoIxpqeBYxc5FBL80vqh6mS8MWaKCGtOsu6R11EPG8sJx40RyySwlKmtdyvm63K7JA0uE97bJFG2k7AJB14ezghyku2nz"
    "JkuWypKDQNsBuxcgo+FqEVN+oVGkYTJ1C/CwohH+pWB+PF4EFnsrE1Nbo4fVUuvcoZCzARnvFd7fSMVIR007hvcumCqOvSIm62ib"
    "yfUBMcboNfe5D1WrNqdpcXK3ZDf5Y5tv+9QZKUxi7g=="
)
ANSWER: dict[str, object] = {
    "code": "10000",
    "msg": "Success",
    "out_trade_no": "G1",
    "qr_code": "http://127.0.0.1/q",
}
ANSWER_TEXT = '{"code":"10000","msg":"Success","out_trade_no":"G1","qr_code":"http://127.0.0.1/q"}'
ANSWER_SIGN = (
    "e1HjmOLKcYsMbxJ0Hx6laymuan3WS0LbjFqRuvR4vQ8NOvu8+GN7882Uf1MvrbVNFMq+fLvoG3CGiMn6kGuqEljUOHNFVOmxezTz"
    "t7yUtqt/eUmTZKQlQnH1EawKO1XtoqSLJMiV2jpVfeP3Q6GTo938htTyqbaHwDB5j9eTTmEd+JwGHKXM60ZsM3pR0x9uP1uB7ENH"
    "O9Jtw2PXhWdmmiQi9lURKLSCPlb2cjpIsxJ+6ftLtv4DpBC1sPbNCS1gNEUwisNUDxC5+bJ2PlvVD/3YQeMuzzQbzIfZmRGoQeSy"
    "/nfOsZALHJqMCAxA30MUFJmDzoYADHI2M27GMmUXjQ=="
)
NOTICE: dict[str, object] = {
    "trade_status": "TRADE_SUCCESS",
    "subject": "会员 充值&x=1",
    "notify_time": "2026-11-24 12:00:01",
    "out_trade_no": "G1",
    "total_amount": "19.99",
    "app_id": "2021000000001001",
}
NOTICE_TEXT = (
    "app_id=2021000000001001&notify_time=2026-11-24 12:00:01&out_trade_no=G1&subject=会员 充值&x=1"
    "&total_amount=19.99&trade_status=TRADE_SUCCESS"
)
NOTICE_SIGN = (
    "T+wyyS6Exb3t2HMv5igEbpaPSYeazNRPcpPnZaBRcD8fTG4ObVYsWyA+OVB2C99yl7BFzhCKDmNyfQdVlBNIjBfmtzwLCUiriYux"
    "I070SLUVjadf2+l4bKS8SE+e0yth4aYW6AnRHOGw8ct9wC1tPwBucs3akQS5ssAuCIdUwg28ctUpjotw5mFk+MtCefEt9o/Rr4xw"
    "mfSXr9EV8XJJzLpm43DmDhkjPMpX1S9d7roH+2fEpl6tgPVOvl7uIaEvRcxWGoxGVPngRlvI+9YLgp2TGmfgRKvCRkI/8FZ73J5V"
    "pjgJ+ifnoGTweRvyzTy3e5q5zSKzgGfYRoq0GSyYKA=="
)
