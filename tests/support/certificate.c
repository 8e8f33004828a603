#include "certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <string.h>

enum { VALID_SECONDS = 3600 };

static bool write_key(EVP_PKEY *key, const char *path, const char *password)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    int length = password ? (int)strlen(password) : 0;
    int written = PEM_write_PrivateKey(
        file, key, password ? EVP_aes_128_cbc() : NULL, (const unsigned char *)password, length, NULL, NULL);
    return fclose(file) == 0 && written == 1;
}

bool certificate_make_key(const char *path, const char *password)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    bool done = key && write_key(key, path, password);
    EVP_PKEY_free(key);
    return done;
}

static bool fill(X509 *certificate, const char *name, EVP_PKEY *key)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    return ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0) ==
               1 &&
           X509_set_issuer_name(certificate, subject) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), 0) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_SECONDS) &&
           X509_set_pubkey(certificate, key) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0;
}

static bool write_certificate(X509 *certificate, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    int written = PEM_write_X509(file, certificate);
    return fclose(file) == 0 && written == 1;
}

bool certificate_make(const char *name, const char *certificate_path, const char *key_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    bool done = key && certificate && fill(certificate, name, key) &&
                write_certificate(certificate, certificate_path) && write_key(key, key_path, NULL);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return done;
}
