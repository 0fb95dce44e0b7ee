//! One certificate authority per cluster, and what it signs.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// The object identifier of `organizationName`, which Kubernetes reads as a group.
const ORGANIZATION: [u64; 4] = [2, 5, 4, 10];

/// Signs every certificate of one cluster; its own key never touches the disk.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
}

/// A certificate and its key, as files.
#[derive(Debug, Clone)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn create(directory: PathBuf) -> Result<Self> {
        fs::create_dir_all(&directory)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "landfall test cluster");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let authority = Self { issuer, directory };
        fs::write(authority.certificate(), authority.issuer.pem())?;
        Ok(authority)
    }

    /// The file with the authority's own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }

    /// For a server that answers under these names and addresses.
    pub fn server(&self, name: &str, addresses: &[&str]) -> Result<Identity> {
        let names: Vec<String> = addresses.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(name, params)
    }

    /// For a client: `user` and its groups, as Kubernetes reads them from a certificate.
    pub fn client(&self, file: &str, user: &str, groups: &[&str]) -> Result<Identity> {
        let mut params = CertificateParams::default();
        // A name in rcgen holds each attribute type once. A second group fits because the custom
        // type with the same identifier counts as another.
        let kinds = [DnType::OrganizationName, DnType::CustomDnType(ORGANIZATION.to_vec())];
        if groups.len() > kinds.len() {
            let (most, given) = (kinds.len(), groups.len());
            bail!("a client certificate made here holds at most {most} groups, not {given}");
        }
        for (kind, group) in kinds.into_iter().zip(groups) {
            params.distinguished_name.push(kind, *group);
        }
        params.distinguished_name.push(DnType::CommonName, user);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(file, params)
    }

    fn sign(&self, file: &str, mut params: CertificateParams) -> Result<Identity> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate =
            params.signed_by(&key, &self.issuer).with_context(|| format!("cannot sign the certificate of {file}"))?;
        let identity = Identity {
            certificate: self.directory.join(format!("{file}.crt")),
            key: self.directory.join(format!("{file}.key")),
        };
        fs::write(&identity.certificate, certificate.pem())?;
        write_private(&identity.key, &key.serialize_pem())?;
        Ok(identity)
    }

    /// Makes the pair that signs and checks service account tokens; the public file.
    pub fn make_service_account_keys(&self) -> Result<PathBuf> {
        let public = self.directory.join("service-accounts.pub");
        let key = KeyPair::generate()?;
        write_private(&self.service_account_key(), &key.serialize_pem())?;
        fs::write(&public, key.public_key_pem())?;
        Ok(public)
    }

    /// The file with the key that signs service account tokens.
    pub fn service_account_key(&self) -> PathBuf {
        self.directory.join("service-accounts.key")
    }
}

/// Writes a file that only its owner reads.
pub fn write_private(path: &Path, content: &str) -> Result<()> {
    let file = File::options().create(true).truncate(true).write(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(content.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
